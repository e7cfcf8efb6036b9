import { CONFLICT_STRATEGIES, CRDT_TYPES, type ConflictPolicy as CoreConflictPolicy, type CrdtOperation as CoreCrdtOperation } from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, Id, Time, pageFields } from './common.ts'

const strategy = z.enum(CONFLICT_STRATEGIES).openapi({ description: 'lww: the newer write. vector: the write that knew of the other; else both. crdt: typed values that merge. custom: a function of the server process.' })

export const ConflictPolicy = z
  .object({
    id: Id,
    agentId: Id.nullable(),
    agentType: z.string().nullable(),
    prefix: z.string().openapi({ description: 'The key (exact) or what keys begin with.' }),
    exact: z.boolean(),
    strategy,
    merge: z.string().nullable(),
    crdtType: z.enum(CRDT_TYPES).nullable(),
    maxSiblings: Count,
    createdAt: Time,
    updatedAt: Time,
  })
  .openapi('ConflictPolicy') satisfies z.ZodType<Wire<CoreConflictPolicy>>

export const NewConflictPolicy = z
  .strictObject({
    agent: z.string().optional().openapi({ description: 'Id or key. Without it and without agentType: all agents of the tenant.' }),
    agentType: z.string().optional(),
    prefix: z.string().optional().openapi({ description: 'Keys that begin with this text; the empty text is every key. Either this or key.' }),
    key: z.string().optional().openapi({ description: 'This key alone.' }),
    strategy,
    merge: z.string().optional().openapi({ description: 'Name of a merge function that each process defines; for custom, and for vector if you like.' }),
    crdtType: z.enum(CRDT_TYPES).optional(),
    maxSiblings: z.int().min(2).max(100).optional(),
  })
  .openapi('NewConflictPolicy')

export const ConflictPolicyQuery = z.strictObject({ ...pageFields, strategy: z.enum(CONFLICT_STRATEGIES).optional() })
export const ConflictPolicyParam = z.object({ policy: z.string().openapi({ description: "The policy's id.", format: 'uuid' }) })

export const CrdtOperation = z
  .custom<CoreCrdtOperation>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'it must be an operation')
  .openapi('CrdtOperation', {
    type: 'object',
    description: 'increment (by), add (value), remove (value), assign (value, as), patch (value), unset, each with an optional path; merge (state).',
    properties: { type: { type: 'string', enum: ['increment', 'add', 'remove', 'assign', 'patch', 'unset', 'merge'] } },
    required: ['type'],
    additionalProperties: true,
    example: { type: 'increment', by: 1, path: ['visits'] },
  })
export const ConflictResult = z
  .object({ key: z.string(), revision: Count, outcome: z.enum(['written', 'merged', 'stale', 'repeated']) })
  .openapi('ConflictResult')
