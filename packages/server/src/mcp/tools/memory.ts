import { type Memory, RETENTION_PRIORITIES } from '@cairn/core'
import { z } from 'zod'
import { EFFECTS } from '../define-tool.ts'
import { compact, cursor, defined, limit, nextCursor, owner, pageOf } from '../schemas.ts'
import type { AddTool } from '../tool-sets.ts'

const Found = z.looseObject({ id: z.string(), content: z.string(), occurredAt: z.string() })
const memory = z.string().describe('Id or key')
const described = {
  context: z.string().optional().describe('What it is about, 1-50 characters'),
  importance: z.number().min(0).max(1).optional(),
  tags: z.array(z.string()).optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
  retentionPriority: z.enum(RETENTION_PRIORITIES).optional(),
}
const filter = { ...owner, tags: z.array(z.string()).optional().describe('All of these'), occurredFrom: z.string().optional(), occurredTo: z.string().optional() }

/** What agents remember for long: added once, found by a question, changed with their versions kept. */
export function memoryTools(add: AddTool): void {
  add({
    name: 'memory_add', description: 'Remember one thing for long. The same words of the same owner are kept once.', effect: EFFECTS.addsOnce,
    input: z.strictObject({ content: z.string(), ...owner, ...described, speaker: z.string().optional(), occurredAt: z.string().optional().describe('ISO 8601, default now'), key: z.string().optional().describe('Names it') }),
    output: z.looseObject({ id: z.string(), version: z.int(), isNew: z.boolean() }),
    run: async (given, cairn) => ({ structured: compact({ ...(await cairn.memory.remember(defined(given))) }) }),
  })
  add({
    name: 'memory_search', description: 'Memories that answer a question in plain words (times such as "last week" are understood), best first.', effect: EFFECTS.reads,
    input: z.strictObject({ query: z.string(), ...filter, limit: limit(5, 50), tokens: z.int().min(1).max(100_000).optional().describe('Gives one block of text of at most so many tokens too') }),
    output: z.looseObject({ items: z.array(Found), contextBlock: z.string().optional() }),
    run: async ({ query, limit: most, tokens, ...where }, cairn) => {
      const { items, degraded, contextBlock } = await cairn.recall.search(query, { limit: most, filter: defined(where), ...(tokens === undefined ? {} : { tokens }) })
      const found = items.map((item) => ({ ...short(item.memory), score: Math.round(item.score * 1000) / 1000 }))
      return { structured: { items: found, ...compact({ contextBlock: contextBlock?.text, degraded: degraded?.message }) } }
    },
  })
  add({
    name: 'memory_get', description: 'One memory in full.', effect: EFFECTS.reads,
    input: z.strictObject({ memory }), output: Found,
    run: async (given, cairn) => ({ structured: full(await cairn.memory.get(given.memory)) }),
  })
  add({
    name: 'memory_list', description: 'Memories, newest first.', effect: EFFECTS.reads,
    input: z.strictObject({ ...filter, limit: limit(10), cursor }), output: z.looseObject({ items: z.array(Found), nextCursor }),
    run: async (given, cairn) => ({ structured: pageOf(await cairn.memory.list({ ...defined(given), order: 'created', descending: true }), short) }),
  })
  add({
    name: 'memory_update', description: 'Change what is given of a memory; what it was is kept as a version.', effect: EFFECTS.overwrites,
    input: z.strictObject({ memory, content: z.string().optional(), ...described, expectedVersion: z.int().min(1).optional().describe('Refused if another') }),
    output: Found,
    run: async ({ memory: which, expectedVersion, ...changes }, cairn) => ({
      structured: full(await cairn.memory.update(which, defined(changes), expectedVersion === undefined ? {} : { ifVersion: expectedVersion })),
    }),
  })
  add({
    name: 'memory_delete', description: 'Forget a memory for good, with its versions.', effect: EFFECTS.deletes,
    input: z.strictObject({ memory }), output: z.object({ deleted: z.boolean() }),
    run: async (given, cairn) => ({ structured: { deleted: await cairn.memory.forget(given.memory) } }),
  })
}

function short({ id, key, content, speaker, occurredAt, tags }: Memory): Record<string, unknown> {
  return compact({ id, key, content, speaker, occurredAt: occurredAt.toISOString(), tags })
}

function full(found: Memory): Record<string, unknown> {
  const { currentRelevance, metadata, version, userId, agentId, sessionId, context, importance, scope, isArchived, expiresAt, retentionPriority } = found
  return {
    ...short(found),
    ...compact({ version, scope, userId, agentId, sessionId, context, importance, currentRelevance, retentionPriority, expiresAt: expiresAt?.toISOString(), isArchived: isArchived || undefined }),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
  }
}
