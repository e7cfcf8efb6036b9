import * as z from 'zod'
import { CairnError } from '../../errors/index.ts'
import { textProblem } from './text-checks.ts'
import { AUTHOR_KINDS, CHAT_SESSION_KINDS, CHAT_STATUSES, PARTICIPANT_KINDS, SUMMARY_METHODS, THREAD_KINDS, THREAD_STATUSES } from './types.ts'

/**
 * A session as a file: one JSON object a line. First the session; then its participants, threads, messages, attachments and summaries, each
 * named by its only key; last `end` with their numbers, so that a file that breaks off is not taken. Threads, messages and attachments are
 * named by their numbers in the file and not by ids: the same conversation gives the same bytes, wherever it is.
 */
export const FILE_FORMAT = 'cairn.conversation'
export const FILE_VERSION = 1

const storable = z.string().refine((value) => textProblem(value) === undefined, 'cannot be stored')
const short = storable.min(1).max(255)
const time = z.iso.datetime({ offset: true })
const count = z.int().min(0)
const json = z.record(z.string(), z.unknown())
const uuid = z.guid()

const author = z.strictObject({ kind: z.enum(AUTHOR_KINDS), agentId: uuid.nullable(), userId: uuid.nullable(), label: short.nullable() })
const session = z.strictObject({
  key: short.nullable(), type: z.enum(CHAT_SESSION_KINDS), status: z.enum(CHAT_STATUSES), title: storable.nullable(), context: json, settings: json,
  summary: storable, editCount: count, createdAt: time, lastActivity: time, endedAt: time.nullable(),
})
const participant = z.strictObject({ kind: z.enum(PARTICIPANT_KINDS), id: short, role: storable.max(100).nullable(), joinedAt: time, leftAt: time.nullable() })
const thread = z.strictObject({
  n: count.min(1), key: short.nullable(), type: z.enum(THREAD_KINDS), status: z.enum(THREAD_STATUSES), agentId: uuid.nullable(), modelId: uuid.nullable(),
  compressionRequestId: storable.max(36).nullable(), metadata: json, durationSeconds: z.number().min(0).nullable(), breakerService: short.nullable(),
  failureCount: count, recoveryAttempts: count, lastFailureAt: time.nullable(), editCount: count, startedAt: time, createdAt: time, completedAt: time.nullable(),
})
const edit = z.strictObject({ previousContent: storable, editedBy: storable.nullable(), editedAt: time })
const message = z.strictObject({
  n: count.min(1), thread: count.min(1), key: short.nullable(), author, content: storable, metadata: json,
  attachments: z.array(z.union([storable, z.strictObject({ attachment: count.min(1) })])).max(100), replyTo: count.min(1).nullable(),
  tokenCount: count.nullable(), tokenEncoding: storable.max(50).nullable(), durationMs: count.nullable(), sentAt: time, editedAt: time.nullable(), edits: z.array(edit),
})
const attachment = z.strictObject({
  n: count.min(1), message: count.min(1), name: short.nullable(), mediaType: short, metadata: json, sha256: z.string().regex(/^[0-9a-f]{64}$/), createdAt: time, data: z.base64(),
})
const summary = z.strictObject({
  thread: count.min(1).nullable(), version: count.min(1), upTo: count, editsSeen: count, method: z.enum(SUMMARY_METHODS), text: storable, tokenCount: count,
  tokenEncoding: storable.max(50), metadata: json, createdBy: storable.nullable(), createdAt: time,
})
const end = z.strictObject({ participants: count, threads: count, messages: count, attachments: count, summaries: count })

const LINES = {
  session: z.strictObject({ format: z.literal(FILE_FORMAT), version: z.literal(FILE_VERSION), session }),
  participant: z.strictObject({ participant }),
  thread: z.strictObject({ thread }),
  message: z.strictObject({ message }),
  attachment: z.strictObject({ attachment }),
  summary: z.strictObject({ summary }),
  end: z.strictObject({ end }),
} as const
type LineKind = keyof typeof LINES

export type FileSession = z.output<typeof session>
export type FileParticipant = z.output<typeof participant>
export type FileThread = z.output<typeof thread>
export type FileMessage = z.output<typeof message>
export type FileAttachment = z.output<typeof attachment>
export type FileSummary = z.output<typeof summary>
export type FileEnd = z.output<typeof end>
export type FileLine =
  | { readonly kind: 'session'; readonly value: FileSession }
  | { readonly kind: 'participant'; readonly value: FileParticipant }
  | { readonly kind: 'thread'; readonly value: FileThread }
  | { readonly kind: 'message'; readonly value: FileMessage }
  | { readonly kind: 'attachment'; readonly value: FileAttachment }
  | { readonly kind: 'summary'; readonly value: FileSummary }
  | { readonly kind: 'end'; readonly value: FileEnd }

export function malformed(line: number, problem: string, cause?: unknown): CairnError {
  return new CairnError('IMPORT_MALFORMED', `line ${line}: ${problem}. Nothing was imported.`, { ...(cause === undefined ? {} : { cause }), details: { line } })
}

/** One line, checked. @throws IMPORT_MALFORMED with the number of the line */
export function readLine(text: string, line: number): FileLine {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw malformed(line, 'it is not JSON', cause)
  }
  const kind = (Object.keys(LINES) as LineKind[]).find((name) => typeof value === 'object' && value !== null && Object.hasOwn(value, name))
  if (kind === undefined) throw malformed(line, 'it is no line of a conversation file')
  const result = LINES[kind].safeParse(value)
  if (!result.success) {
    const [issue] = result.error.issues
    throw malformed(line, `${issue?.path.join('.') ?? kind}: ${issue?.message ?? 'malformed'}`)
  }
  return { kind, value: (result.data as Record<string, unknown>)[kind] } as FileLine
}
