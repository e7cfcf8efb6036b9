import type { ListSessionsOptions } from '@cairn/core'
import { type Command, Option } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { oneLine, record, show, table } from '../output.ts'
import { addConversationRecordCommands } from './conversation-records.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

interface ListFlags extends ClientFlags, PageFlags {
  readonly status?: NonNullable<ListSessionsOptions['status']>
}

/** Adds `cairn conversations list|show` and those of conversation-records.ts. */
export function registerConversationsCommands(program: Command): void {
  const conversations = program.command('conversations').description('List, show, search, summarize, export, import and delete conversations')
  addConversationRecordCommands(conversations)

  withClientFlags(withPageFlags(conversations.command('list')))
    .description('List chat sessions, newest first')
    .addOption(new Option('--status <status>', 'only in this status').choices(['active', 'idle', 'ended']))
    .action((flags: ListFlags) =>
      runWithClient(flags, async (client) => {
        const page = await client.conversations.sessions({ ...pageFrom(flags), ...(flags.status === undefined ? {} : { status: flags.status }) })
        show(flags, page, () => {
          const rows = page.items.map(({ id, key, title, type, status, messageCount, lastActivity }) => [key, title, type, status, messageCount, lastActivity, id])
          return table(['key', 'title', 'type', 'status', 'messages', 'last activity', 'id'], rows, 'There are no conversations.') + moreLine(page)
        })
      }),
    )

  withClientFlags(withPageFlags(conversations.command('show')))
    .description('Show a chat session with its threads and a page of its messages')
    .argument('<session>', 'id or key')
    .option('--thread <id>', 'messages of this thread only')
    .action((idOrKey: string, flags: ClientFlags & PageFlags & { thread?: string }) =>
      runWithClient(flags, async (client) => {
        const session = await client.conversations.session(idOrKey)
        const threads = await client.conversations.threads({ sessionId: session.id, limit: 1000 })
        const messages = await client.conversations.messages({ ...pageFrom(flags), ...(flags.thread === undefined ? { sessionId: session.id } : { threadId: flags.thread }) })
        show(flags, { session, threads, messages }, () => {
          const { id, key, title, type, status, messageCount, summary, createdAt, lastActivity } = session
          const threadRows = threads.items.map((thread) => [thread.key ?? thread.id, thread.status, thread.messageCount, thread.startedAt])
          const lines = messages.items.map(({ sessionSeq, sentAt, author, content }) => `${sessionSeq}  ${sentAt.slice(0, 16).replace('T', ' ')}  ${author.label ?? author.kind}: ${oneLine(content, 160)}`)
          return [
            record({ id, key, title, type, status, messages: messageCount, summary, opened: createdAt, 'last activity': lastActivity }),
            table(['thread', 'status', 'messages', 'began'], threadRows, 'It has no threads.'),
            `${lines.join('\n')}${moreLine(messages)}`,
          ].join('\n')
        })
      }),
    )
}
