import type { PageOptions } from '../../paging/index.ts'

export const CHAT_SESSION_KINDS = ['individual', 'group', 'support'] as const
export type ChatSessionKind = (typeof CHAT_SESSION_KINDS)[number]

export const CHAT_STATUSES = ['active', 'idle', 'ended'] as const
export type ChatStatus = (typeof CHAT_STATUSES)[number]

export const THREAD_KINDS = ['chat', 'debate', 'task', 'compression'] as const
export type ThreadKind = (typeof THREAD_KINDS)[number]

export const THREAD_STATUSES = ['active', 'completed', 'error'] as const
export type ThreadStatus = (typeof THREAD_STATUSES)[number]

export const AUTHOR_KINDS = ['user', 'assistant', 'system', 'agent', 'tool'] as const
export type AuthorKind = (typeof AUTHOR_KINDS)[number]

export const PARTICIPANT_KINDS = ['user', 'agent'] as const
export type ParticipantKind = (typeof PARTICIPANT_KINDS)[number]

/** A JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>

/** One conversation, however long: its threads and their messages belong to it. */
export interface ChatSession {
  readonly id: string
  /** The caller's own name for it, unique in the tenant. */
  readonly key: string | null
  readonly type: ChatSessionKind
  readonly status: ChatStatus
  readonly title: string | null
  readonly context: JsonObject
  readonly settings: JsonObject
  /** The text of its newest summary; see `summaries`. */
  readonly summary: string
  readonly messageCount: number
  /** Sum of the `tokenCount` of its messages. */
  readonly totalTokens: number
  /** Sum of the `durationMs` of its messages. */
  readonly messagesDurationMs: number
  readonly createdAt: Date
  /** When the newest message was appended, by the database's clock. */
  readonly lastActivity: Date
  readonly endedAt: Date | null
  readonly updatedAt: Date
}

export interface Participant {
  readonly kind: ParticipantKind
  /** An agent's id, or the id of a user in the caller's own system. */
  readonly id: string
  readonly role: string | null
  readonly joinedAt: Date
  readonly leftAt: Date | null
}

/** One line of talk inside a session: a day, a topic, a tool run. */
export interface Thread {
  readonly id: string
  readonly key: string | null
  readonly sessionId: string
  readonly type: ThreadKind
  readonly status: ThreadStatus
  readonly agentId: string | null
  readonly modelId: string | null
  readonly compressionRequestId: string | null
  readonly metadata: JsonObject
  readonly messageCount: number
  /** Sum of the `tokenCount` of its messages. */
  readonly totalTokens: number
  /** Sum of the `durationMs` of its messages. */
  readonly messagesDurationMs: number
  /** From `startedAt` to `completedAt`, unless the caller gave another. Null while the thread is open. */
  readonly durationSeconds: number | null
  /** Name of the circuit breaker that guards the service behind this thread. */
  readonly breakerService: string | null
  /** How often the thread went to `error`. */
  readonly failureCount: number
  /** How often it came back from `error` to `active`. */
  readonly recoveryAttempts: number
  readonly lastFailureAt: Date | null
  readonly startedAt: Date
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly completedAt: Date | null
}

export interface Author {
  readonly kind: AuthorKind
  readonly agentId: string | null
  readonly userId: string | null
  /** A name to show, e.g. of a user who has no account. */
  readonly label: string | null
}

export interface Message {
  readonly id: string
  readonly key: string | null
  readonly sessionId: string
  readonly threadId: string
  /** Position in the thread: 1, 2, 3, without gaps. */
  readonly seq: number
  /** Position in the whole session: 1, 2, 3, without gaps. */
  readonly sessionSeq: number
  readonly author: Author
  readonly content: string
  readonly metadata: JsonObject
  readonly attachments: readonly string[]
  readonly replyTo: string | null
  readonly tokenCount: number | null
  /** The encoding by which Cairn counted; null when the caller gave the count, or there is none. */
  readonly tokenEncoding: string | null
  /** How long it took to make the message, as the caller said. */
  readonly durationMs: number | null
  readonly sentAt: Date
  readonly editCount: number
  readonly editedAt: Date | null
}

/** What a message said before an edit. */
export interface MessageEdit {
  readonly messageId: string
  /** 1 for the first edit. */
  readonly editNo: number
  readonly previousContent: string
  /** `kind:id` of the actor who edited. */
  readonly editedBy: string | null
  readonly editedAt: Date
}

export interface ParticipantInput {
  readonly kind: ParticipantKind
  readonly id: string
  readonly role?: string
}

export interface CreateSessionInput {
  readonly key?: string
  /** @default 'individual' */
  readonly type?: ChatSessionKind
  readonly title?: string
  readonly context?: JsonObject
  readonly settings?: JsonObject
  readonly participants?: readonly ParticipantInput[]
}

/** Only the fields given are changed; `title: null` removes the title. */
export interface UpdateSessionInput {
  readonly type?: ChatSessionKind
  readonly title?: string | null
  readonly context?: JsonObject
  readonly settings?: JsonObject
}

export interface ListSessionsOptions extends PageOptions {
  readonly status?: ChatStatus
  readonly type?: ChatSessionKind
  /** Sessions in which this user or agent takes part now. */
  readonly participant?: { readonly kind: ParticipantKind; readonly id: string }
}

export interface ListParticipantsOptions extends PageOptions {
  /** Also those who have left. @default false */
  readonly includeLeft?: boolean
}

export interface CreateThreadInput {
  readonly sessionId: string
  readonly key?: string
  /** @default 'chat' */
  readonly type?: ThreadKind
  readonly agentId?: string
  readonly modelId?: string
  readonly compressionRequestId?: string
  readonly metadata?: JsonObject
  readonly breakerService?: string
  /** @default now */
  readonly startedAt?: Date | string
}

/** Only the fields given are changed. */
export interface UpdateThreadInput {
  /** `error` counts a failure, back to `active` a recovery. For `completed` use completeThread. */
  readonly status?: 'active' | 'error'
  readonly metadata?: JsonObject
  readonly modelId?: string | null
  readonly compressionRequestId?: string | null
  readonly breakerService?: string | null
}

export interface CompleteThreadInput {
  /** @default now */
  readonly completedAt?: Date | string
  /** @default the time from startedAt to completedAt */
  readonly durationSeconds?: number
}

export interface ListThreadsOptions extends PageOptions {
  readonly compressionRequestId?: string
  readonly sessionId?: string
  readonly agentId?: string
  readonly type?: ThreadKind
  readonly status?: ThreadStatus
}

export interface AuthorInput {
  readonly kind: AuthorKind
  /** For agent (required), assistant and tool. The agent must exist in the tenant. */
  readonly agentId?: string
  /** For user: a UUID. */
  readonly userId?: string
  readonly label?: string
}

export interface MessageInput {
  readonly author: AuthorInput
  /** Up to 1 MiB of UTF-8; may be empty (e.g. only attachments). */
  readonly content: string
  readonly metadata?: JsonObject
  /** URLs or ids of what goes with the text; up to 100 of up to 1 MiB, for data URLs. */
  readonly attachments?: readonly string[]
  /** Id of a message of the same session. */
  readonly replyTo?: string
  /** By the tokens of your model; null keeps the message uncounted. @default counted with o200k_base */
  readonly tokenCount?: number | null
  /** How long it took to make the message, e.g. a model's answer. */
  readonly durationMs?: number
  /** When it was said, if not now. The order of messages is that of appending, not of this. */
  readonly sentAt?: Date | string
  /** Makes the append idempotent: the same key again returns the stored message. Unique in the tenant. */
  readonly key?: string
}

export interface AppendInput extends MessageInput {
  readonly threadId: string
}

/** Give exactly one of `sessionId` and `threadId`. */
export interface ListMessagesOptions extends PageOptions {
  readonly sessionId?: string
  readonly threadId?: string
  /** By position: `seq` in a thread, `sessionSeq` in a session. @default 'asc' */
  readonly order?: 'asc' | 'desc'
  /** Only messages behind this position. */
  readonly after?: number
  /** Only messages in front of this position. */
  readonly before?: number
}

export interface EditOptions {
  /** By the tokens of your model. @default counted with o200k_base */
  readonly tokenCount?: number | null
}

export const SUMMARY_METHODS = ['given', 'extractive', 'function'] as const
export type SummaryMethod = (typeof SUMMARY_METHODS)[number]

/** Give exactly one: a whole session, or one thread. */
export interface SummaryTarget {
  readonly sessionId?: string
  readonly threadId?: string
}

/** What the caller's function summarizes. */
export interface SummarizerInput {
  /** Up to the newest when the call began, oldest first; of more than 5,000 the newest, and only what is new since `previous`. */
  readonly messages: readonly Message[]
  /** The newest summary that no edit has overtaken. With it, `messages` are those after it. */
  readonly previous: ConversationSummary | null
}

export interface SummarizeInput extends SummaryTarget {
  /** A summary written elsewhere. */
  readonly text?: string
  /** E.g. a model. Without it and without `text`, the sentences that say most are taken as they are. */
  readonly summarize?: (input: SummarizerInput) => string | Promise<string>
  /** Of the extractive rule. @default 5 */
  readonly maxSentences?: number
  readonly metadata?: JsonObject
}

export interface ConversationSummary {
  readonly id: string
  readonly sessionId: string
  /** Null: of the whole session. */
  readonly threadId: string | null
  /** 1 for the first of its session or thread. */
  readonly version: number
  /** Position of the last message it holds: `sessionSeq` of a session, `seq` of a thread. */
  readonly upTo: number
  readonly method: SummaryMethod
  readonly text: string
  readonly tokenCount: number
  readonly tokenEncoding: string
  readonly metadata: JsonObject
  /** `kind:id` of the actor. */
  readonly createdBy: string | null
  readonly createdAt: Date
  /** Messages that came after it. */
  readonly newMessages: number
  /** Messages came after it, or one was edited since. */
  readonly stale: boolean
}

export interface ListSummariesOptions extends SummaryTarget, PageOptions {}

export interface SearchMessagesOptions extends PageOptions {
  /** Words, in any form of the English language; others as they are written. */
  readonly query: string
  /** Messages with any of the words, or with all. @default 'any' */
  readonly match?: 'any' | 'all'
  readonly sessionId?: string
  readonly threadId?: string
  /** Said by this agent. */
  readonly agentId?: string
  readonly role?: AuthorKind
  /** At or after this time. */
  readonly sentAfter?: Date | string
  /** Before this time. */
  readonly sentBefore?: Date | string
}

export interface FoundMessage {
  readonly message: Message
  /** Higher is better; comparable within one query only. */
  readonly score: number
  /** The part with the words, which stand between « and ». */
  readonly snippet: string
}

export interface AttachInput {
  readonly messageId: string
  /** Up to 16 MiB; text is kept as UTF-8. */
  readonly data: Uint8Array | string
  readonly name?: string
  /** @default 'text/plain; charset=utf-8' for text, 'application/octet-stream' for bytes */
  readonly mediaType?: string
  readonly metadata?: JsonObject
}

export interface Attachment {
  readonly id: string
  readonly sessionId: string
  readonly messageId: string
  readonly name: string | null
  readonly mediaType: string
  readonly metadata: JsonObject
  /** Of the plain bytes, in hex. */
  readonly sha256: string
  readonly bytes: number
  /** What it takes in the database, once for all attachments of the tenant with the same bytes. */
  readonly storedBytes: number
  /** The algorithm that measured best on these bytes. */
  readonly algorithm: string
  readonly createdAt: Date
}

/** Give exactly one. */
export interface ListAttachmentsOptions extends PageOptions {
  readonly messageId?: string
  readonly sessionId?: string
}

export interface ExportSessionOptions {
  /** JSON lines can be imported again; Markdown is for reading. @default 'jsonl' */
  readonly format?: 'jsonl' | 'markdown'
  /** With the bytes of attachments (JSON lines), or their names (Markdown). @default true */
  readonly attachments?: boolean
}

export interface ImportSessionOptions {
  /** Another key for the session; null for none. @default the one in the file */
  readonly key?: string | null
  /** Keys of threads and messages; a tenant has each only once. @default 'keep' */
  readonly keys?: 'keep' | 'drop'
  /** Agents in the file that this tenant does not have: an error, or nobody. @default 'refuse' */
  readonly missingAgents?: 'refuse' | 'unlink'
}

export interface DeletedSession {
  readonly deleted: boolean
  readonly threads: number
  readonly messages: number
  readonly attachments: number
}

export interface ThreadHealth {
  readonly threadId: string
  readonly status: ThreadStatus
  readonly failureCount: number
  readonly recoveryAttempts: number
  readonly lastFailureAt: Date | null
  /** The breaker of its service, as it is now; closed while no call was counted. Null: the thread names no service. */
  readonly breaker: { readonly service: string; readonly state: 'closed' | 'open' | 'half_open'; readonly failureCount: number; readonly nextAttemptAt: Date | null } | null
  readonly compressionRequest: { readonly id: string; readonly status: string; readonly algorithm: string | null; readonly ratio: number | null } | null
}
