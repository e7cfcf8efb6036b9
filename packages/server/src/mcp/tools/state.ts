import { CairnError, type StateEntry } from '@cairn/core'
import { z } from 'zod'
import { EFFECTS } from '../define-tool.ts'
import { agent, compact, cursor, defined, limit, nextCursor, pageOf } from '../schemas.ts'
import type { AddTool } from '../tool-sets.ts'

const Entry = z.looseObject({ key: z.string(), value: z.unknown(), revision: z.int() })

/** The keyed, versioned state of agents. */
export function stateTools(add: AddTool): void {
  add({
    name: 'state_get', description: "A key of an agent's state.", effect: EFFECTS.reads,
    input: z.strictObject({ agent, key: z.string() }), output: Entry,
    async run(given, cairn) {
      const entry = await cairn.state.get(given.agent, given.key)
      if (entry === undefined) throw new CairnError('NOT_FOUND', `Agent ${JSON.stringify(given.agent)} has no state ${JSON.stringify(given.key)}.`, { details: { ...given } })
      return { structured: short(entry) }
    },
  })
  add({
    name: 'state_set', description: 'Write a key. With expectedRevision only if it is still at that one (0: not there yet).', effect: EFFECTS.overwrites,
    input: z.strictObject({ agent, key: z.string(), value: z.unknown().describe('Any JSON'), expectedRevision: z.int().min(0).optional(), ttlMs: z.int().min(1).optional() }),
    output: z.looseObject({ key: z.string(), revision: z.int() }),
    async run({ agent: whose, key, value, expectedRevision, ttlMs }, cairn) {
      const written = await cairn.state.set(whose, key, value, defined({ ifRevision: expectedRevision, ttlMs }))
      return { structured: { key, ...compact({ ...written }) } }
    },
  })
  add({
    name: 'state_list', description: 'Keys of an agent and their values, by key.', effect: EFFECTS.reads,
    input: z.strictObject({ agent, prefix: z.string().optional(), limit: limit(20), cursor }), output: z.looseObject({ items: z.array(Entry), nextCursor }),
    run: async ({ agent: whose, ...options }, cairn) => ({ structured: pageOf(await cairn.state.list(whose, defined(options)), short) }),
  })
}

function short({ key, value, revision, updatedAt, expiresAt }: StateEntry): Record<string, unknown> {
  return { key, value, revision, ...compact({ updatedAt: updatedAt.toISOString(), expiresAt: expiresAt?.toISOString() }) }
}
