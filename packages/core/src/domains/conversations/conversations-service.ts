import { uuidv7 } from '../../ids/index.ts'
import { isCairnError } from '../../errors/index.ts'
import { decodeCursor, pageLimit, toPage, type Page, type PageOptions } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { appendMessages, MAX_BATCH_MESSAGES } from './append.ts'
import { ConversationAttachments } from './attachments.ts'
import { editMessage, findMessage, listEdits, listMessages } from './chat-messages.ts'
import { addParticipants, ChatParticipants } from './chat-participants.ts'
import { completeThread, createThread, cursorId, findThread, listThreads, updateThread } from './chat-threads.ts'
import { composeSessionList } from './conversations-lists.ts'
import { END_SESSION, INSERT_SESSION, MARK_IDLE, SELECT_SESSION, UPDATE_SESSION } from './conversations-queries.ts'
import { deleteSession } from './delete-session.ts'
import { type EditCounts, exportLines, exportMarkdown } from './export-session.ts'
import { duplicateKey, notFound, oneRow, withAgents } from './failures.ts'
import { EDIT_COUNTS } from './import-queries.ts'
import { importSession, type SessionFileSource } from './import-session.ts'
import { appendInput, checkInput, contentInput, createSessionInput, exportInput, idInput, idleForInput, idOrKeyInput, isUuid, listSessionsInput, messageBatchInput, updateSessionInput } from './input.ts'
import { type HealthRow, toHealth } from './record-rows.ts'
import { THREAD_HEALTH } from './records-queries.ts'
import { toSession, type SessionRow } from './rows.ts'
import { searchMessages } from './search-messages.ts'
import { listSummaries, newestSummary, storeSummary, summarize } from './summaries.ts'
import { jsonText } from './text-checks.ts'
import type {
  AppendInput,
  ChatSession,
  CompleteThreadInput,
  ConversationSummary,
  CreateSessionInput,
  CreateThreadInput,
  DeletedSession,
  EditOptions,
  ExportSessionOptions,
  FoundMessage,
  ImportSessionOptions,
  ListMessagesOptions,
  ListSessionsOptions,
  ListSummariesOptions,
  ListThreadsOptions,
  Message,
  MessageEdit,
  MessageInput,
  SearchMessagesOptions,
  SummarizeInput,
  SummaryTarget,
  Thread,
  ThreadHealth,
  UpdateSessionInput,
  UpdateThreadInput,
} from './types.ts'

/**
 * Conversations: chat sessions hold threads, threads hold messages, one row each, numbered without gaps both in
 * their thread and in their session. Appends are safe from any number of writers and processes.
 *
 * Every method throws INVALID_ARGUMENT with the field's name for malformed input (text with U+0000 or a lone surrogate
 * included), SERIALIZATION_ERROR for JSON that cannot be stored, PAYLOAD_TOO_LARGE for a text above 1 MiB, and the
 * engine's errors. Things of another tenant do not exist: NOT_FOUND. Sources: S0 §3, S2 §5, S2 §6.
 */
export class ConversationsService {
  readonly participants: ChatParticipants
  readonly attachments: ConversationAttachments
  readonly #context: DomainContext

  constructor(context: DomainContext) {
    this.#context = context
    this.participants = new ChatParticipants(context)
    this.attachments = new ConversationAttachments(context)
  }

  /** Opens a chat session, with its participants, in one transaction. @throws DUPLICATE_KEY, AGENT_NOT_FOUND */
  async createSession(input: CreateSessionInput = {}): Promise<ChatSession> {
    const { key, type, title, context, settings, participants } = checkInput(createSessionInput, input, 'session')
    const { sql, identity } = this.#context
    const id = uuidv7()
    const values = [identity.tenant, id, key ?? null, type, title ?? null, jsonText('context', context), jsonText('settings', settings)]
    const unique = [...new Map(participants.map((one) => [`${one.kind}:${one.id}`, one])).values()]
    const agents = participants.flatMap((one, index) => (one.kind === 'agent' ? [{ id: one.id, field: `participants[${index}].id` }] : []))
    try {
      const row = await withAgents(this.#context, agents, () =>
        sql.transaction(identity, async (transaction) => {
          const session = await oneRow<SessionRow>(transaction, INSERT_SESSION, values)
          if (unique.length > 0) await addParticipants(transaction, identity.tenant, id, unique)
          return session
        }),
      )
      return toSession(row as SessionRow)
    } catch (error) {
      if (key !== undefined && isCairnError(error, 'DUPLICATE_KEY')) throw duplicateKey('chat session', key, error)
      throw error
    }
  }

  /** The session with this id or key. @throws NOT_FOUND */
  async getSession(idOrKey: string): Promise<ChatSession> {
    const session = await this.findSession(idOrKey)
    if (session === null) throw notFound('chat session', idOrKey)
    return session
  }

  /** The session with this id or key, or null. */
  async findSession(idOrKey: string): Promise<ChatSession | null> {
    const name = checkInput(idOrKeyInput, idOrKey, 'idOrKey')
    const { sql, identity } = this.#context
    const { rows } = await sql.query<SessionRow>(identity, SELECT_SESSION, [identity.tenant, isUuid(name) ? name : null, name])
    return rows[0] === undefined ? null : toSession(rows[0])
  }

  /** Newest first. A session opened meanwhile does not move the pages behind it. @throws INVALID_CURSOR */
  async listSessions(options: ListSessionsOptions = {}): Promise<Page<ChatSession>> {
    const filter = checkInput(listSessionsInput, options, 'options')
    const limit = pageLimit(options)
    const before = decodeCursor('chat sessions', options.cursor, 1)?.[0]
    const { sql, identity } = this.#context
    const query = composeSessionList(identity.tenant, filter, cursorId(before), limit + 1)
    const { rows } = await sql.query<SessionRow>(identity, query.sql, query.parameters)
    return toPage('chat sessions', rows.map(toSession), limit, (item) => [item.id])
  }

  /** Changes the fields given; context and settings are replaced as a whole. @throws NOT_FOUND */
  async updateSession(sessionId: string, patch: UpdateSessionInput): Promise<ChatSession> {
    const id = checkInput(idInput, sessionId, 'sessionId')
    const { type, title, context, settings } = checkInput(updateSessionInput, patch, 'patch')
    return this.#changeSession(id, UPDATE_SESSION, [
      type ?? null,
      title !== undefined,
      title ?? null,
      context === undefined ? null : jsonText('context', context),
      settings === undefined ? null : jsonText('settings', settings),
    ])
  }

  /** Stores the summary that a model or a person wrote, as the next version; '' takes the text away. @throws NOT_FOUND */
  async setSummary(sessionId: string, summary: string): Promise<ChatSession> {
    const id = checkInput(idInput, sessionId, 'sessionId')
    await storeSummary(this.#context, id, checkInput(contentInput, summary, 'summary'))
    return this.getSession(id)
  }

  /**
   * Summarizes a session or a thread up to its newest message and keeps the result as the next version: by your text, your function
   * (e.g. a model; it runs outside any transaction), or else by the sentences that say most. A session shows its newest summary.
   * @throws NOT_FOUND, PAYLOAD_TOO_LARGE, SERIALIZATION_ERROR, and what your function throws
   */
  summarize(input: SummarizeInput): Promise<ConversationSummary> {
    return summarize(this.#context, input)
  }

  /** All versions, newest first, each with whether messages or edits have overtaken it. @throws NOT_FOUND, INVALID_CURSOR */
  summaries(options: ListSummariesOptions): Promise<Page<ConversationSummary>> {
    return listSummaries(this.#context, options)
  }

  /** The summary that reaches furthest, `stale` or not; null without one. @throws NOT_FOUND */
  summaryOf(target: SummaryTarget): Promise<ConversationSummary | null> {
    return newestSummary(this.#context, target)
  }

  /**
   * Messages with the words of a query, best first, each with the part that has them. English word forms; the first 100,000
   * characters of a message are searched. @throws INVALID_CURSOR
   */
  search(options: SearchMessagesOptions): Promise<Page<FoundMessage>> {
    return searchMessages(this.#context, options)
  }

  /** How a thread fares: its failures, the breaker of its service as it is now, its compression request (S0 §3). @throws NOT_FOUND */
  async threadHealth(threadId: string): Promise<ThreadHealth> {
    const id = checkInput(idInput, threadId, 'threadId')
    const { sql, identity } = this.#context
    const { rows } = await sql.query<HealthRow>(identity, THREAD_HEALTH, [identity.tenant, id])
    if (rows[0] === undefined) throw notFound('thread', id)
    return toHealth(rows[0])
  }

  /**
   * The whole session as text, in parts. JSON lines name things by number, not by id, so that the same conversation gives the same bytes;
   * `importSession` takes them. What is appended meanwhile is not in it. @throws NOT_FOUND
   */
  async *exportSession(idOrKey: string, options: ExportSessionOptions = {}): AsyncGenerator<string> {
    const { format, attachments } = checkInput(exportInput, options, 'options')
    const session = await this.getSession(idOrKey)
    yield* format === 'markdown' ? exportMarkdown(this, session, attachments) : exportLines(this, session, await this.#editCounts(session.id), attachments)
  }

  /**
   * Stores a session from its JSON lines (up to 256 MiB), with new ids, all or nothing. A message that had a key keeps it, but repeating its
   * append is refused. @throws IMPORT_MALFORMED with the line, DUPLICATE_KEY, AGENT_NOT_FOUND, PAYLOAD_TOO_LARGE
   */
  async importSession(source: SessionFileSource, options: ImportSessionOptions = {}): Promise<ChatSession> {
    return this.getSession(await importSession(this.#context, source, options))
  }

  /** Removes a session and all that belongs to it, for good: threads, messages, edits, summaries, attachments with their bytes. */
  deleteSession(sessionId: string): Promise<DeletedSession> {
    return deleteSession(this.#context, checkInput(idInput, sessionId, 'sessionId'))
  }

  /** Ends a session for good: it takes no more messages, threads or participants. Ending it again changes nothing. @throws NOT_FOUND */
  async endSession(sessionId: string): Promise<ChatSession> {
    const id = checkInput(idInput, sessionId, 'sessionId')
    const { sql, identity } = this.#context
    const { rows } = await sql.query<SessionRow>(identity, END_SESSION, [identity.tenant, id])
    return rows[0] === undefined ? this.getSession(id) : toSession(rows[0])
  }

  /** Marks the tenant's active sessions without an append for `idleForMs` as idle; the next append makes one active again. Returns how many. */
  async markIdle(options: { readonly idleForMs: number }): Promise<number> {
    const idleForMs = checkInput(idleForInput, options?.idleForMs, 'idleForMs')
    const { sql, identity } = this.#context
    return (await sql.query(identity, MARK_IDLE, [identity.tenant, idleForMs])).rowCount
  }

  /** Opens a thread in a session. @throws NOT_FOUND, CONVERSATION_ENDED, DUPLICATE_KEY, AGENT_NOT_FOUND */
  createThread(input: CreateThreadInput): Promise<Thread> {
    return createThread(this.#context, input)
  }

  /** The thread with this id or key. @throws NOT_FOUND */
  async getThread(idOrKey: string): Promise<Thread> {
    const thread = await this.findThread(idOrKey)
    if (thread === null) throw notFound('thread', idOrKey)
    return thread
  }

  /** The thread with this id or key, or null. */
  findThread(idOrKey: string): Promise<Thread | null> {
    return findThread(this.#context, idOrKey)
  }

  /** In the order of their creation. @throws INVALID_CURSOR */
  listThreads(options: ListThreadsOptions = {}): Promise<Page<Thread>> {
    return listThreads(this.#context, options)
  }

  /** Changes the fields given; metadata is replaced as a whole. @throws NOT_FOUND, INVALID_TRANSITION for the status of a completed thread */
  updateThread(threadId: string, patch: UpdateThreadInput): Promise<Thread> {
    return updateThread(this.#context, threadId, patch)
  }

  /** Closes a thread for good: it takes no more messages. Doing so again changes nothing. @throws NOT_FOUND */
  completeThread(threadId: string, input: CompleteThreadInput = {}): Promise<Thread> {
    return completeThread(this.#context, threadId, input)
  }

  /**
   * Adds one message at the end of a thread. With a `key`, a second call with the same message returns the stored one
   * and stores nothing, also after an edit and after the session's end; with another message under that key it throws.
   * @throws NOT_FOUND, CONVERSATION_ENDED, DUPLICATE_KEY, AGENT_NOT_FOUND; INVALID_ARGUMENT when replyTo is of another session
   */
  async append(input: AppendInput): Promise<Message> {
    const { threadId, ...message } = checkInput(appendInput, input, 'message')
    return (await appendMessages(this.#context, threadId, [message], () => ''))[0] as Message
  }

  /**
   * Adds up to 5,000 messages (64 MiB in all) at the end of a thread, in their order and next to each other, all or
   * none, in one statement. Messages whose key is stored already come back as stored. Errors as for append.
   */
  async appendMany(threadId: string, messages: readonly MessageInput[]): Promise<Message[]> {
    const thread = checkInput(idInput, threadId, 'threadId')
    const checked = checkInput(messageBatchInput(MAX_BATCH_MESSAGES), messages, 'messages', true)
    if (checked.length === 0) {
      await this.getThread(thread)
      return []
    }
    return appendMessages(this.#context, thread, checked, (index) => `messages[${index}].`)
  }

  /** The message with this id or key. @throws NOT_FOUND */
  async getMessage(idOrKey: string): Promise<Message> {
    const message = await this.findMessage(idOrKey)
    if (message === null) throw notFound('message', idOrKey)
    return message
  }

  /** The message with this id or key, or null. */
  findMessage(idOrKey: string): Promise<Message | null> {
    return findMessage(this.#context, idOrKey)
  }

  /**
   * Messages of a thread or of a whole session, by position. Pages are complete and stable while others append;
   * for what came since, pass the last position seen as `after`. @throws NOT_FOUND, INVALID_CURSOR
   */
  messages(options: ListMessagesOptions): Promise<Page<Message>> {
    return listMessages(this.#context, options)
  }

  /**
   * Replaces what a message says and keeps what it said; the same text again is no edit. Tokens are counted anew, unless given.
   * Works in ended sessions too. @throws NOT_FOUND
   */
  edit(messageId: string, content: string, options: EditOptions = {}): Promise<Message> {
    return editMessage(this.#context, messageId, content, options)
  }

  /** What a message said before each of its edits, oldest first. @throws NOT_FOUND, INVALID_CURSOR */
  edits(messageId: string, options: PageOptions = {}): Promise<Page<MessageEdit>> {
    return listEdits(this.#context, messageId, options)
  }

  async #editCounts(sessionId: string): Promise<EditCounts> {
    const { sql, identity } = this.#context
    const { rows } = await sql.query<{ kind: string; id: string; n: number }>(identity, EDIT_COUNTS, [identity.tenant, sessionId])
    const of = (kind: string): Map<string, number> => new Map(rows.filter((row) => row.kind === kind).map(({ id, n }) => [id, n]))
    return { session: of('session').get(sessionId) ?? 0, threads: of('thread'), summaries: of('summary') }
  }

  async #changeSession(id: string, text: string, values: readonly unknown[]): Promise<ChatSession> {
    const { sql, identity } = this.#context
    const { rows } = await sql.query<SessionRow>(identity, text, [identity.tenant, id, ...values])
    if (rows[0] === undefined) throw notFound('chat session', id)
    return toSession(rows[0])
  }
}
