import { z } from 'zod'
import { EFFECTS } from '../define-tool.ts'
import { compact, cursor, defined, limit, nextCursor, pageOf } from '../schemas.ts'
import type { AddTool } from '../tool-sets.ts'

/** What was said. */
export function conversationTools(add: AddTool): void {
  add({
    name: 'conversations_search', description: 'Messages of conversations with any of the words, best first.', effect: EFFECTS.reads,
    input: z.strictObject({ query: z.string(), sessionId: z.string().optional(), threadId: z.string().optional(), agentId: z.string().optional(), limit: limit(10), cursor }),
    output: z.looseObject({ items: z.array(z.looseObject({ id: z.string(), snippet: z.string() })), nextCursor }),
    run: async (given, { conversations }) => ({
      structured: pageOf(await conversations.search(defined(given)), ({ message: { id, threadId, author, sentAt }, snippet }) =>
        compact({ id, snippet, threadId, author: author.label ?? author.userId ?? author.agentId, sentAt: sentAt.toISOString() })),
    }),
  })
}
