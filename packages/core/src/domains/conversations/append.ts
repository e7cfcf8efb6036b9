import { createHash } from 'node:crypto'
import { canonicalJson } from '../../state/index.ts'
import { uuidv7 } from '../../ids/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { withRetry } from '../../resilience/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { APPEND_MESSAGES, EXPLAIN_APPEND } from './conversations-queries.ts'
import { agentNotFound, duplicateKey, notFound, sessionEnded } from './failures.ts'
import type { CheckedMessage } from './input.ts'
import { toMessage, type MessageRow } from './rows.ts'
import { checkSize, jsonText } from './text-checks.ts'
import { TOKEN_ENCODING, countTokens } from '../../tokens/index.ts'
import type { Message } from './types.ts'

/** Most messages of one append, and most bytes of all their texts together. */
export const MAX_BATCH_MESSAGES = 5000
export const MAX_BATCH_BYTES = 64 * 1_048_576

/** A writer that loses the race for a key finds the winner's message at its next try; only a new race needs more. */
const RACE_ATTEMPTS = 8

/** One element of the JSON array that APPEND_MESSAGES reads. */
interface InputRow {
  readonly ord: number
  readonly id: string
  readonly key: string | undefined
  readonly digest: string | undefined
  readonly kind: string
  readonly user_id: string | undefined
  readonly agent_id: string | undefined
  readonly label: string | undefined
  readonly content: string
  readonly metadata: string
  readonly attachments: readonly string[]
  readonly reply_to: string | undefined
  readonly tokens: number | undefined
  readonly encoding: string | undefined
  readonly duration_ms: number | undefined
  readonly sent_at: Date | undefined
}

/**
 * Stores `messages` in one thread, in their order, all or none, and returns them as stored.
 * `place(n)` names message n in errors, with what follows it: `messages[n].` or nothing.
 */
export async function appendMessages(context: DomainContext, threadId: string, messages: readonly CheckedMessage[], place: (index: number) => string): Promise<Message[]> {
  const uncounted = messages.map((message, index) => inputRow(threadId, message, index, place(index)))
  checkKeys(uncounted, place)
  const rows: InputRow[] = []
  for (const [index, row] of uncounted.entries()) {
    rows.push(messages[index]?.tokenCount === undefined ? { ...row, tokens: await countTokens(row.content), encoding: TOKEN_ENCODING } : row)
  }
  const json = JSON.stringify(rows)
  checkSize('messages', json, MAX_BATCH_BYTES)

  const stored = await store(context, threadId, rows, json, place)
  const byId = new Map(stored.map((row) => [row.message_id, row]))
  const byKey = new Map(stored.map((row) => [row.message_key, row]))
  const inOrder = rows.map((row) => byId.get(row.id) ?? (row.key === undefined ? undefined : byKey.get(row.key)))
  for (const [index, row] of inOrder.entries()) {
    if (row?.same === false) throw duplicateMessage(row, place(index))
  }
  if (inOrder.every((row) => row !== undefined)) return inOrder.map(toMessage)
  throw (await explain(context, threadId, rows, place)) ?? new CairnError('UNKNOWN', `The messages for thread ${threadId} were not stored. Try again.`)
}

async function store(
  context: DomainContext,
  threadId: string,
  rows: readonly InputRow[],
  json: string,
  place: (index: number) => string,
): Promise<(MessageRow & { same: boolean })[]> {
  const { sql, identity } = context
  const append = () => sql.query<MessageRow & { same: boolean }>(identity, APPEND_MESSAGES, [identity.tenant, threadId, json], { name: 'conversations.append' })
  try {
    return (await withRetry(append, { attempts: RACE_ATTEMPTS, baseMs: 1, retryable: (error) => isCairnError(error, 'DUPLICATE_KEY') })).rows
  } catch (error) {
    if (!isCairnError(error, 'CONSTRAINT_VIOLATION')) throw error
    throw (await explain(context, threadId, rows, place)) ?? error
  }
}

function inputRow(threadId: string, message: CheckedMessage, ord: number, place: string): InputRow {
  const { author, content, metadata, attachments, replyTo, tokenCount, durationMs, sentAt, key } = message
  checkSize(`${place}content`, content)
  for (const [index, attachment] of attachments.entries()) checkSize(`${place}attachments[${index}]`, attachment)
  const metadataText = jsonText(`${place}metadata`, metadata)
  const digest =
    key === undefined
      ? undefined
      : createHash('sha256').update(canonicalJson({ threadId, author, content, metadata, attachments, replyTo, tokenCount, durationMs, sentAt })).digest('hex')
  return {
    ord,
    id: uuidv7(),
    key,
    digest,
    kind: author.kind,
    user_id: author.userId,
    agent_id: author.agentId,
    label: author.label,
    content,
    metadata: metadataText,
    attachments,
    reply_to: replyTo,
    tokens: tokenCount ?? undefined,
    encoding: undefined,
    duration_ms: durationMs,
    sent_at: sentAt,
  }
}

function checkKeys(rows: readonly InputRow[], place: (index: number) => string): void {
  const seen = new Set<string>()
  for (const { key, ord } of rows) {
    if (key === undefined) continue
    if (seen.has(key)) {
      const field = `${place(ord)}key`
      throw new CairnError('INVALID_ARGUMENT', `${field}: ${JSON.stringify(key)} stands twice in one append. Give each message a key of its own.`, { details: { field } })
    }
    seen.add(key)
  }
}

function duplicateMessage(row: MessageRow, place: string): CairnError {
  const error = duplicateKey('message', row.message_key ?? '')
  return new CairnError('DUPLICATE_KEY', `${place}key: the key ${JSON.stringify(row.message_key)} belongs to another message. Use another key, or read that one.`, {
    details: { ...error.details, field: `${place}key`, messageId: row.message_id },
  })
}

interface Explanation {
  thread_status: string
  session_status: string
  chat_session_id: string
  missing_agents: string[]
  missing_replies: string[]
}

/** Why nothing was stored; undefined when the cause is gone or is another one. */
async function explain(context: DomainContext, threadId: string, rows: readonly InputRow[], place: (index: number) => string): Promise<CairnError | undefined> {
  const agents = [...new Set(rows.flatMap((row) => row.agent_id ?? []))]
  const replies = [...new Set(rows.flatMap((row) => row.reply_to ?? []))]
  const { identity } = context
  const found = (await context.sql.query<Explanation>(identity, EXPLAIN_APPEND, [identity.tenant, threadId, agents, replies])).rows[0]
  if (found === undefined) return notFound('thread', threadId)
  if (found.session_status === 'ended') return sessionEnded(found.chat_session_id)
  if (found.thread_status === 'completed') {
    return new CairnError('CONVERSATION_ENDED', `The thread ${threadId} is completed and takes no more messages. Open a new thread.`, { details: { threadId } })
  }
  const agent = rows.find((row) => row.agent_id !== undefined && found.missing_agents.includes(row.agent_id))
  if (agent?.agent_id !== undefined) return agentNotFound(agent.agent_id, `${place(agent.ord)}author.agentId`)
  const reply = rows.find((row) => row.reply_to !== undefined && found.missing_replies.includes(row.reply_to))
  if (reply !== undefined) {
    const field = `${place(reply.ord)}replyTo`
    return new CairnError('INVALID_ARGUMENT', `${field}: ${JSON.stringify(reply.reply_to)} is not a message of the chat session ${found.chat_session_id}.`, { details: { field } })
  }
  return undefined
}
