import {
  type AssertedFact as CoreAsserted, BUILTIN_RULE_NAMES, type Entity as CoreEntity, FACT_ENDINGS, type Fact as CoreFact, type FactSearchResult, type IngestResult as CoreIngestResult, type KnowledgeGraphData, type MergedGraph as CoreMergedGraph,
  type KnowledgePaths, type MergedEntities, type Neighbourhood as CoreNeighbourhood, OBJECT_TYPES, type PredicateDeclaration,
} from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, Flag, Id, Time, pageFields, several } from './common.ts'

const space = z.string().optional().openapi({ description: "Which part of the tenant's knowledge.", default: 'default' })
export const SpaceQuery = z.strictObject({ space })
export const EntityParam = z.object({ entity: z.string().openapi({ description: "The entity's id, name or alias.", example: 'Ada Lovelace' }) })
export const FactParam = z.object({ fact: z.string().openapi({ description: "The fact's id." }) })
export const PredicateParam = z.object({ predicate: z.string().openapi({ example: 'works_at' }) })

const name = { id: Id, name: z.string(), type: z.string().nullable().openapi({ description: 'Null when it is only mentioned.' }) }
const EntityName = z.object(name).openapi('EntityName')
export const Entity = z.object({ ...name, space: z.string(), aliases: z.array(z.string()), createdAt: Time, updatedAt: Time }).openapi('Entity') satisfies z.ZodType<Wire<CoreEntity>>
const Confidence = z.number().min(0).max(1)
const fact = {
  id: Id, originId: Id.openapi({ description: 'Versions of one statement have it in common.' }), space: z.string(), entity: EntityName, predicate: z.string(), objectType: z.enum(OBJECT_TYPES),
  value: z.unknown().openapi({ description: 'The value; for an entity, its name.' }), object: z.union([EntityName, z.null()]), functional: z.boolean(), confidence: Confidence,
  evidence: z.array(z.object({ agentId: Id.nullable(), messages: z.array(Id), memories: z.array(Id), text: z.string().nullable(), source: z.string().nullable(), confidence: Confidence, recordedAt: Time })),
  sourceAgentId: Id.nullable(), validFrom: Time, validUntil: Time.nullable(), recordedFrom: Time, recordedUntil: Time.nullable(), endedBy: z.enum(FACT_ENDINGS).nullable(), endNote: z.string().nullable(), content: z.string(),
}
export const Fact = z.object(fact).openapi('Fact') satisfies z.ZodType<Wire<CoreFact>>
const Asserted = z.object({ fact: Fact, isNew: z.boolean(), embedding: z.enum(['done', 'pending', 'none']) }).openapi('AssertedFact') satisfies z.ZodType<Wire<CoreAsserted>>
export const AssertedFacts = z.object({ items: z.array(Asserted) }).openapi('AssertedFacts')

const Ref = z.union([z.string(), z.strictObject({ name: z.string(), type: z.string().optional() })])
const evidence = z.strictObject({ agent: z.string().optional(), messages: z.array(z.string()).optional(), memories: z.array(z.string()).optional(), text: z.string().optional(), source: z.string().optional() })
const NewFact = z
  .strictObject({
    entity: Ref, predicate: z.string(), value: z.unknown().optional().openapi({ description: 'Any JSON but null. Either this or object.' }), object: Ref.optional().openapi({ description: 'Another entity.' }),
    confidence: Confidence.optional(), evidence: evidence.optional(), validFrom: z.string().optional(), validUntil: z.string().optional(),
  })
  .openapi('NewFact')
export const NewFacts = z.strictObject({ facts: z.array(NewFact).max(1000) }).openapi('NewFacts')
export const NewEntity = z.strictObject({ name: z.string(), type: z.string(), aliases: z.array(z.string()).optional() }).openapi('NewEntity')
export const Aliases = z.strictObject({ aliases: z.array(z.string()) }).openapi('EntityAliases')
export const Merge = z.strictObject({ into: z.string(), note: z.string().optional() }).openapi('MergeEntities')
export const Merged = z.object({ entity: Entity, moved: Count, dropped: Count }).openapi('MergedEntities') satisfies z.ZodType<Wire<MergedEntities>>
export const Forgotten = z.object({ entities: Count, facts: Count }).openapi('ForgottenEntity')
export const Correction = z
  .strictObject({ value: z.unknown().optional(), object: Ref.optional(), confidence: Confidence.optional(), evidence: evidence.optional(), validFrom: z.string().optional(), validUntil: z.string().nullable().optional(), note: z.string().optional() })
  .openapi('FactCorrection')
export const Ending = z.strictObject({ at: z.string().optional().openapi({ description: 'Default: now.' }), note: z.string().optional() }).openapi('FactEnding')
export const Retraction = z.strictObject({ note: z.string().optional() }).openapi('FactRetraction')

export const EntityQuery = z.strictObject({ space, type: z.string().optional(), prefix: z.string().optional(), mentioned: Flag.optional(), ...pageFields })
const asOf = {
  validAt: z.string().optional().openapi({ description: 'When it holds. Default: recordedAt, else now.' }),
  recordedAt: z.string().optional().openapi({ description: 'When it was believed. Default: today.' }),
}
const filter = { entity: z.string().optional(), object: z.string().optional(), predicate: z.string().optional(), ...asOf }
export const FactQuery = z.strictObject({ space, ...filter, sourceAgent: z.string().optional(), minConfidence: z.coerce.number().min(0).max(1).optional().openapi({ type: 'number' }), anyTime: Flag.optional(), ...pageFields })
export const HistoryQuery = z.strictObject({ space, predicate: z.string().optional(), ...pageFields })
export const VersionsQuery = z.strictObject({ space, ...pageFields })
export const FactSearch = z
  .strictObject({ query: z.string(), ...filter, minConfidence: Confidence.optional(), anyTime: z.boolean().optional(), mode: z.enum(['text', 'vector', 'hybrid']).optional(), limit: z.int().min(1).max(1000).optional(), cursor: z.string().optional() })
  .openapi('FactSearch')
const mode = z.enum(['text', 'vector', 'hybrid'])
export const FoundFacts = z
  .object({ items: z.array(z.object({ ...fact, score: z.number() })), nextCursor: z.string().nullable(), mode, degraded: z.object({ wanted: mode, code: z.string(), message: z.string() }).nullable() })
  .openapi('FoundFacts') satisfies z.ZodType<Wire<FactSearchResult>>

const number = (least: number, most: number, description: string) => z.coerce.number().int().min(least).max(most).optional().openapi({ type: 'integer', minimum: least, maximum: most, description })
const walk = { direction: z.enum(['out', 'in', 'both']).optional(), predicate: several(z.string()).optional(), ...asOf }
export const NeighbourhoodQuery = z.strictObject({ space, ...walk, depth: number(1, 6, 'Relations away. Default: 1.'), limit: number(1, 1000, 'Entities at most. Default: 100.') })
export const PathsQuery = z.strictObject({ space, from: z.string(), to: z.string(), ...walk, maxDepth: number(1, 8, 'Relations at most. Default: 4.'), limit: number(1, 100, 'Paths at most. Default: 10.') })
export const Neighbourhood = z
  .object({ entities: z.array(z.object({ ...name, depth: Count })), facts: z.array(Fact), truncated: z.boolean() })
  .openapi('Neighbourhood') satisfies z.ZodType<Wire<CoreNeighbourhood>>
export const Paths = z
  .object({ paths: z.array(z.object({ entities: z.array(EntityName), facts: z.array(Fact) })), truncated: z.boolean() })
  .openapi('KnowledgePaths') satisfies z.ZodType<Wire<KnowledgePaths>>

export const IngestTexts = z
  .strictObject({
    texts: z.array(z.union([z.string(), z.strictObject({ text: z.string(), evidence: evidence.omit({ text: true }).optional(), validFrom: z.string().optional(), validUntil: z.string().optional() })])).max(1000),
    rules: z.array(z.enum(BUILTIN_RULE_NAMES)).optional().openapi({ description: 'Of the built-in rules; all by default.' }),
  })
  .openapi('IngestTexts')
export const IngestResult = z
  .object({ facts: z.array(Asserted), rejected: z.array(z.object({ text: Count, source: z.string(), problem: z.string() })) })
  .openapi('IngestResult') satisfies z.ZodType<Wire<CoreIngestResult>>

export const DeclarePredicate = z.strictObject({ functional: z.boolean().openapi({ description: 'One value at a time.' }), description: z.string().optional() }).openapi('DeclarePredicate')
export const Predicate = z.object({ predicate: z.string(), functional: z.boolean(), description: z.string().nullable(), createdAt: Time, updatedAt: Time }).openapi('PredicateDeclaration') satisfies z.ZodType<Wire<PredicateDeclaration>>

export const GraphQuery = z.strictObject({ space, query: z.string().optional().openapi({ description: 'In the name, the type or an observation.' }), name: several(z.string()).optional().openapi({ type: 'array', items: { type: 'string' }, description: 'Only these.' }) })
export const GraphToMerge = z.strictObject({ entities: z.array(z.strictObject({ name: z.string(), entityType: z.string(), observations: z.array(z.string()) })).max(1000), relations: z.array(z.strictObject({ from: z.string(), to: z.string(), relationType: z.string() })).max(1000) }).openapi('GraphToMerge')
export const MergedGraph = z.object({ entities: Count, observations: Count, relations: Count }).openapi('MergedGraph', { description: 'How many were not there before.' }) satisfies z.ZodType<Wire<CoreMergedGraph>>
export const Graph = z
  .object({ entities: z.array(z.object({ name: z.string(), entityType: z.string(), observations: z.array(z.string()) })), relations: z.array(z.object({ from: z.string(), to: z.string(), relationType: z.string() })) })
  .openapi('KnowledgeGraph') satisfies z.ZodType<Wire<KnowledgeGraphData>>
