import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { CairnError, type SearchMessagesOptions } from '@cairn/core'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { confirmed } from '../confirm.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { oneLine, show, table } from '../output.ts'
import { writeWhole } from '../whole-file.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

type SearchFlags = ClientFlags & PageFlags & Omit<SearchMessagesOptions, 'query' | 'limit' | 'cursor' | 'sessionId' | 'threadId' | 'agentId' | 'sentAfter' | 'sentBefore'> & { session?: string; thread?: string; agent?: string; after?: string; before?: string }

/** Adds `cairn conversations search|summarize|export|import|delete`. */
export function addConversationRecordCommands(conversations: Command): void {
  withClientFlags(withPageFlags(conversations.command('search')))
    .description('Find messages by their words, best first')
    .argument('<words>')
    .option('--session <id>', 'of this chat session')
    .option('--thread <id>', 'of this thread')
    .option('--agent <id>', 'said by this agent')
    .addOption(new Option('--role <role>', 'said by').choices(['user', 'assistant', 'system', 'agent', 'tool']))
    .addOption(new Option('--match <how>', 'any of the words, or all').choices(['any', 'all']))
    .option('--after <time>', 'said at or after this time (ISO 8601)')
    .option('--before <time>', 'said before this time (ISO 8601)')
    .action((query: string, flags: SearchFlags) =>
      runWithClient(flags, async (client) => {
        const { session, thread, agent, role, match, after, before } = flags
        const given = { sessionId: session, threadId: thread, agentId: agent, role, match, sentAfter: after, sentBefore: before }
        const filter = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Omit<SearchMessagesOptions, 'query'>
        const page = await client.conversationRecords.search({ query, ...pageFrom(flags), ...filter })
        show(flags, page, () => {
          const rows = page.items.map(({ message, score, snippet }) => [score.toFixed(3), message.sentAt.slice(0, 16).replace('T', ' '), message.author.label ?? message.author.kind, oneLine(snippet, 120), message.id])
          return table(['score', 'said', 'by', 'what', 'id'], rows, 'No message has these words.') + moreLine(page)
        })
      }),
    )

  withClientFlags(conversations.command('summarize'))
    .description('Summarize a chat session, or one thread of it, and keep the summary')
    .argument('<session>', 'id or key')
    .option('--thread <id>', 'this thread only')
    .option('--text <summary>', 'a summary written elsewhere; without it, the sentences that say most are taken')
    .option('--sentences <number>', 'at most so many', wholeNumber)
    .action((idOrKey: string, flags: ClientFlags & { thread?: string; text?: string; sentences?: number }) =>
      runWithClient(flags, async (client) => {
        const { id } = await client.conversations.session(idOrKey)
        const how = { ...(flags.text === undefined ? {} : { text: flags.text }), ...(flags.sentences === undefined ? {} : { maxSentences: flags.sentences }) }
        const summary = await client.conversationRecords.summarize({ ...how, ...(flags.thread === undefined ? { sessionId: id } : { threadId: flags.thread }) })
        show(flags, summary, () => `Version ${summary.version}, up to message ${summary.upTo}, ${summary.tokenCount} tokens:\n${summary.text}`)
      }),
    )

  withClientFlags(conversations.command('export'))
    .description('Write a chat session to a file, as JSON lines that import takes, or as Markdown')
    .argument('<session>', 'id or key')
    .requiredOption('--file <path>', 'where to')
    .addOption(new Option('--format <format>', 'what to write').choices(['jsonl', 'markdown']).default('jsonl'))
    .option('--no-attachments', 'without the bytes of attachments')
    .option('--force', 'replace the file when it exists')
    .action((idOrKey: string, flags: ClientFlags & { file: string; format: 'jsonl' | 'markdown'; attachments: boolean; force?: boolean }) =>
      runWithClient(flags, async (client) => {
        if (flags.force !== true && (await stat(flags.file).catch(() => undefined)) !== undefined) {
          throw new CairnError('INVALID_OPTION', `--file: ${flags.file} exists already. Choose another path, or pass --force.`, { details: { option: 'file' } })
        }
        const { id } = await client.conversations.session(idOrKey)
        const parts = client.conversationRecords.export(id, { format: flags.format, attachments: flags.attachments })
        await writeWhole(flags.file, parts)
        const { size } = await stat(flags.file)
        show(flags, { file: flags.file, bytes: size }, () => `Wrote ${flags.file} (${size} bytes).`)
      }),
    )

  withClientFlags(conversations.command('import'))
    .description('Make a chat session of the JSON lines that export wrote')
    .argument('<file>')
    .option('--key <key>', 'key of the session (default: the one in the file)')
    .option('--drop-keys', 'without the keys of threads and messages')
    .option('--unlink-agents', 'leave out agents that are not here, instead of refusing')
    .action((file: string, flags: ClientFlags & { key?: string; dropKeys?: boolean; unlinkAgents?: boolean }) =>
      runWithClient(flags, async (client) => {
        if ((await stat(file).catch(() => undefined))?.isFile() !== true) throw new CairnError('INVALID_ARGUMENT', `file: there is no file ${file}.`, { details: { field: 'file' } })
        const session = await client.conversationRecords.import(createReadStream(file) as AsyncIterable<Uint8Array>, {
          ...(flags.key === undefined ? {} : { key: flags.key }), keys: flags.dropKeys === true ? 'drop' : 'keep', missingAgents: flags.unlinkAgents === true ? 'unlink' : 'refuse',
        })
        show(flags, session, () => `Imported ${session.messageCount} messages as chat session ${session.key ?? session.id}.`)
      }),
    )

  withClientFlags(conversations.command('delete'))
    .description('Remove a chat session with its messages, summaries and attachments, for good')
    .argument('<session>', 'id or key')
    .option('--yes', 'do not ask')
    .action((idOrKey: string, flags: ClientFlags & { yes?: boolean }) =>
      runWithClient(flags, async (client) => {
        const { id, messageCount } = await client.conversations.session(idOrKey)
        await confirmed(flags, `Remove chat session ${idOrKey} with its ${messageCount} messages for good?`)
        const result = await client.conversationRecords.delete(id)
        show(flags, result, () => (result.deleted ? `Chat session ${idOrKey} is removed.` : 'There was nothing to remove.'))
      }),
    )
}

function wholeNumber(value: string): number {
  if (!/^\d+$/.test(value)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(value)
}
