import type { Page } from '../../paging/index.ts'
import type { ConversationAttachments } from './attachments.ts'
import type { ConversationsService } from './conversations-service.ts'
import { FILE_FORMAT, FILE_VERSION, type FileEnd, type FileMessage } from './session-file.ts'
import type { Attachment, ChatSession, ConversationSummary, Message, MessageEdit, Participant, Thread } from './types.ts'

/** What an export reads besides the service: how often session and threads were edited, which no list shows. */
export interface EditCounts {
  readonly session: number
  readonly threads: ReadonlyMap<string, number>
  readonly summaries: ReadonlyMap<string, number>
}

/** Every item of a list, page by page. */
export async function* everyItem<T>(list: (cursor: string | undefined) => Promise<Page<T>>): AsyncGenerator<T> {
  for (let cursor: string | undefined; ; ) {
    const page = await list(cursor)
    yield* page.items
    if (page.nextCursor === null) return
    cursor = page.nextCursor
  }
}

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

const at = (cursor: string | undefined): { limit: number; cursor?: string } => ({ limit: 500, ...(cursor === undefined ? {} : { cursor }) })
const line = (value: unknown): string => `${JSON.stringify(value)}\n`

/** The lines of a session's file; messages that come while it is written are not in it. */
export async function* exportLines(service: ConversationsService, session: ChatSession, counts: EditCounts, withAttachments: boolean): AsyncGenerator<string> {
  const { key, type, status, title, context, settings, summary, createdAt, lastActivity, endedAt } = session
  const numbers: Record<keyof FileEnd, number> = { participants: 0, threads: 0, messages: 0, attachments: 0, summaries: 0 }
  yield line({ format: FILE_FORMAT, version: FILE_VERSION, session: { key, type, status, title, context, settings, summary, editCount: counts.session, createdAt, lastActivity, endedAt } })
  for await (const one of everyItem<Participant>((cursor) => service.participants.list(session.id, { includeLeft: true, ...at(cursor) }))) {
    numbers.participants += 1
    yield line({ participant: one })
  }
  const threads = new Map<string, number>()
  for await (const thread of everyItem<Thread>((cursor) => service.listThreads({ sessionId: session.id, ...at(cursor) }))) {
    threads.set(thread.id, threads.size + 1)
    yield line({ thread: threadLine(thread, threads.size, counts.threads.get(thread.id) ?? 0) })
  }
  numbers.threads = threads.size

  const attachments = new Map<string, number>()
  if (withAttachments) for await (const one of attachmentsOf(service.attachments, session.id)) attachments.set(one.id, attachments.size + 1)
  const messages = new Map<string, number>()
  const all = everyItem<Message>((cursor) => service.messages({ sessionId: session.id, before: session.messageCount + 1, ...at(cursor) }))
  for await (const message of all) {
    messages.set(message.id, message.sessionSeq)
    const edits = message.editCount === 0 ? [] : await collected(everyItem<MessageEdit>((cursor) => service.edits(message.id, at(cursor))))
    yield line({ message: messageLine(message, threads, messages, attachments, edits) })
  }
  numbers.messages = messages.size

  for (const [id, n] of attachments) {
    const { attachment, data } = await service.attachments.read(id)
    const message = messages.get(attachment.messageId)
    if (message === undefined) continue
    const { name, mediaType, metadata, sha256, createdAt: attachedAt } = attachment
    numbers.attachments += 1
    yield line({ attachment: { n, message, name, mediaType, metadata, sha256, createdAt: attachedAt, data: Buffer.from(data).toString('base64') } })
  }
  for (const [thread, target] of [[null, { sessionId: session.id }] as const, ...[...threads].map(([threadId, n]) => [n, { threadId }] as const)]) {
    const summaries = await collected(everyItem<ConversationSummary>((cursor) => service.summaries({ ...target, ...at(cursor) })))
    for (const { id, version, upTo, method, text, tokenCount, tokenEncoding, metadata, createdBy, createdAt: writtenAt } of summaries.reverse()) {
      if (upTo > session.messageCount) continue
      numbers.summaries += 1
      yield line({ summary: { thread, version, upTo, editsSeen: counts.summaries.get(id) ?? 0, method, text, tokenCount, tokenEncoding, metadata, createdBy, createdAt: writtenAt } })
    }
  }
  yield line({ end: numbers })
}

function attachmentsOf(attachments: ConversationAttachments, sessionId: string): AsyncGenerator<Attachment> {
  return everyItem<Attachment>((cursor) => attachments.list({ sessionId, ...at(cursor) }))
}

function threadLine({ id: _id, sessionId: _session, messageCount: _count, totalTokens: _tokens, messagesDurationMs: _duration, updatedAt: _updated, ...thread }: Thread, n: number, editCount: number): unknown {
  return { n, ...thread, editCount }
}

function messageLine(message: Message, threads: ReadonlyMap<string, number>, messages: ReadonlyMap<string, number>, attachments: ReadonlyMap<string, number>, edits: readonly MessageEdit[]): Record<keyof FileMessage, unknown> {
  const { sessionSeq, threadId, key, author, content, metadata, replyTo, tokenCount, tokenEncoding, durationMs, sentAt, editedAt } = message
  return {
    n: sessionSeq, thread: threads.get(threadId), key, author, content, metadata,
    attachments: message.attachments.flatMap((text): (string | { attachment: number })[] => {
      if (!isReference(text)) return [text]
      const n = attachments.get(text.slice(REFERENCE.length))
      return n === undefined ? [] : [{ attachment: n }]
    }),
    replyTo: replyTo === null ? null : (messages.get(replyTo) ?? null),
    tokenCount, tokenEncoding, durationMs, sentAt, editedAt,
    edits: edits.map(({ previousContent, editedBy, editedAt: when }) => ({ previousContent, editedBy, editedAt: when })),
  }
}

export const REFERENCE = 'attachment:'
function isReference(text: string): boolean {
  return /^attachment:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)
}

/** The session to read: its title, summary, and what was said in each thread, with the time. What a message says is quoted, never interpreted. */
export async function* exportMarkdown(service: ConversationsService, session: ChatSession, withAttachments: boolean): AsyncGenerator<string> {
  yield `# ${oneLine(session.title ?? session.key ?? 'Conversation')}\n\n- status: ${session.status}\n- messages: ${session.messageCount}\n- tokens: ${session.totalTokens}\n- from ${session.createdAt.toISOString()} to ${session.lastActivity.toISOString()}\n`
  if (session.summary !== '') yield `\n## Summary\n\n${quoted(session.summary)}\n`
  const names = new Map<string, string>()
  if (withAttachments) for await (const one of attachmentsOf(service.attachments, session.id)) names.set(`${REFERENCE}${one.id}`, `${one.name ?? one.id} (${one.mediaType}, ${one.bytes} bytes)`)
  for await (const thread of everyItem<Thread>((cursor) => service.listThreads({ sessionId: session.id, ...at(cursor) }))) {
    yield `\n## Thread ${oneLine(thread.key ?? thread.id)}\n`
    for await (const { author, content, sentAt, editedAt, attachments } of everyItem<Message>((cursor) => service.messages({ threadId: thread.id, ...at(cursor) }))) {
      yield `\n**${oneLine(author.label ?? author.kind)}** (${author.kind}, ${sentAt.toISOString()}${editedAt === null ? '' : ', edited'}):\n\n${quoted(content)}\n`
      const listed = attachments.flatMap((text) => (isReference(text) ? (names.get(text) ?? []) : text.length <= 500 ? text : `${text.slice(0, 100).toWellFormed()}…`))
      if (listed.length > 0) yield `\n${listed.map((text) => `- attachment: ${oneLine(text)}`).join('\n')}\n`
    }
  }
}

function quoted(text: string): string {
  return text.split('\n').map((each) => `> ${each}`.trimEnd()).join('\n')
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll(/[\\`*_#<>[\]]/g, String.raw`\$&`)
}
