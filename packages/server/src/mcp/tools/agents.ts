import type { Agent } from '@cairn/core'
import { z } from 'zod'
import { EFFECTS } from '../define-tool.ts'
import { agent, compact, cursor, defined, limit, nextCursor, pageOf } from '../schemas.ts'
import type { AddTool } from '../tool-sets.ts'

const FoundAgent = z.looseObject({ id: z.string(), key: z.string(), name: z.string(), status: z.string() })

/** Who is there. */
export function agentTools(add: AddTool): void {
  add({
    name: 'agents_list', description: 'Agents.', effect: EFFECTS.reads,
    input: z.strictObject({ search: z.string().optional().describe('Part of the name or key'), type: z.string().optional(), capability: z.string().optional(), limit: limit(20), cursor }),
    output: z.looseObject({ items: z.array(FoundAgent), nextCursor }),
    run: async (given, cairn) => ({ structured: pageOf(await cairn.agents.list(defined(given)), short) }),
  })
  add({
    name: 'agent_get', description: 'One agent in full.', effect: EFFECTS.reads,
    input: z.strictObject({ agent }), output: FoundAgent,
    async run(given, cairn) {
      const found = await cairn.agents.get(given.agent)
      const { description, specialization, capabilities, skills, configuration, metadata, parentId, configVersion, lastActiveAt } = found
      const more = { description, specialization, capabilities, skills, configuration, metadata, parentId, configVersion, lastActiveAt: lastActiveAt?.toISOString() }
      return { structured: { ...short(found), ...compact(more) } }
    },
  })
}

function short({ id, key, name, type, status, health }: Agent): Record<string, unknown> {
  return compact({ id, key, name, type, status, health })
}
