import { uuidv7 } from '../../ids/index.ts'
import { CairnError } from '../../errors/index.ts'
import { decodeCursor, pageLimit, toPage, type Page } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { LIST_MESSAGES, LOCK_SESSION } from './conversations-queries.ts'
import { extractSummary } from './extractive.ts'
import { notFound } from './failures.ts'
import { checkInput, contentInput, summarizeInput, targetInput } from './input.ts'
import { INSERT_SUMMARY, LIST_SUMMARIES, NEWEST_SUMMARY, SELECT_SUMMARY, SHOW_SUMMARY, TARGET_STATE } from './records-queries.ts'
import { toSummary, type SummaryRow } from './record-rows.ts'
import { toMessage, type MessageRow } from './rows.ts'
import { checkSize, jsonText } from './text-checks.ts'
import { TOKEN_ENCODING, countTokens } from '../../tokens/index.ts'
import type { ConversationSummary, ListSummariesOptions, Message, SummarizeInput, SummarizerInput, SummaryMethod, SummaryTarget } from './types.ts'

/** Most messages that one summary is made from. */
const MAX_SUMMARIZED = 5000

interface TargetRow {
  chat_session_id: string
  thread_id: string | null
  up_to: number
  edits: number
}

/** Makes and stores a summary that holds up to the newest message of this moment. What comes while it is made makes it stale. */
export async function summarize(context: DomainContext, input: SummarizeInput): Promise<ConversationSummary> {
  const checked = checkInput(summarizeInput, input, 'input')
  const at = await targetState(context, checked)
  const [method, text] = await makeText(context, at, checked.text, checked.summarize as SummarizeInput['summarize'], checked.maxSentences)
  return store(context, at, method, text, jsonText('metadata', checked.metadata))
}

/** A given text, which may be empty, as the next version of a session's summary. */
export async function storeSummary(context: DomainContext, sessionId: string, text: string): Promise<void> {
  await store(context, await targetState(context, { sessionId }), 'given', text, '{}')
}

/** Newest version first. */
export async function listSummaries(context: DomainContext, options: ListSummariesOptions): Promise<Page<ConversationSummary>> {
  const target = checkInput(targetInput, options, 'options')
  const list = `summaries/${target.threadId ?? target.sessionId ?? ''}`
  const limit = pageLimit(options)
  const before = decodeCursor(list, options.cursor, 1)?.[0] ?? null
  if (before !== null && !Number.isSafeInteger(before)) throw new CairnError('INVALID_CURSOR', 'cursor: this is not a cursor of this list. Start again without a cursor.')
  const at = await targetState(context, target)
  const { sql, identity } = context
  const { rows } = await sql.query<SummaryRow>(identity, LIST_SUMMARIES, [identity.tenant, at.chat_session_id, at.thread_id, before, limit + 1])
  return toPage(list, rows.map(toSummary), limit, (item) => [item.version])
}

/** The summary that reaches furthest, stale or not; null when there is none. */
export async function newestSummary(context: DomainContext, target: SummaryTarget): Promise<ConversationSummary | null> {
  const row = await newestAt(context, await targetState(context, checkInput(targetInput, target, 'target')))
  return row === undefined ? null : toSummary(row)
}

async function newestAt({ sql, identity }: DomainContext, at: TargetRow): Promise<SummaryRow | undefined> {
  return (await sql.query<SummaryRow>(identity, NEWEST_SUMMARY, [identity.tenant, at.chat_session_id, at.thread_id])).rows[0]
}

async function targetState({ sql, identity }: DomainContext, { sessionId, threadId }: { sessionId?: string | undefined; threadId?: string | undefined }): Promise<TargetRow> {
  const { rows } = await sql.query<TargetRow>(identity, TARGET_STATE, [identity.tenant, sessionId ?? null, threadId ?? null])
  if (rows[0] === undefined) throw notFound(threadId === undefined ? 'chat session' : 'thread', threadId ?? sessionId ?? '')
  return rows[0]
}

async function makeText(context: DomainContext, at: TargetRow, given: string | undefined, make: SummarizeInput['summarize'], maxSentences: number): Promise<[SummaryMethod, string]> {
  if (given !== undefined) return ['given', given]
  if (make === undefined) return ['extractive', extractSummary(await messagesUpTo(context, at, 0), maxSentences)]
  const newest = await newestAt(context, at)
  // An edit since then may have changed what it says: then it is made from the messages again.
  const previous = newest === undefined || newest.edited ? null : toSummary(newest)
  const input: SummarizerInput = { messages: await messagesUpTo(context, at, previous?.upTo ?? 0), previous }
  return ['function', checkInput(contentInput, await make(input), 'summarize')]
}

/** Behind `after` and up to what the target had; of too many the newest. */
async function messagesUpTo({ sql, identity }: DomainContext, at: TargetRow, after: number): Promise<Message[]> {
  const [scope, owner] = at.thread_id === null ? (['session', at.chat_session_id] as const) : (['thread', at.thread_id] as const)
  const { rows } = await sql.query<MessageRow>(identity, LIST_MESSAGES[scope].desc, [identity.tenant, owner, after, at.up_to + 1, MAX_SUMMARIZED])
  return rows.map(toMessage).reverse()
}

async function store(context: DomainContext, at: TargetRow, method: SummaryMethod, text: string, metadata: string): Promise<ConversationSummary> {
  checkSize('summary', text)
  const { sql, identity } = context
  const { tenant, actor } = identity
  const tokens = await countTokens(text)
  const id = uuidv7()
  await sql.transaction(identity, async (tx) => {
    // The lock numbers the versions without gaps.
    const locked = await tx.query(LOCK_SESSION, [tenant, at.chat_session_id])
    if (locked.rows.length === 0) throw notFound('chat session', at.chat_session_id)
    await tx.query(INSERT_SUMMARY, [tenant, id, at.chat_session_id, at.thread_id, at.up_to, at.edits, method, text, tokens, TOKEN_ENCODING, metadata, `${actor.kind}:${actor.id}`])
    if (at.thread_id === null) await tx.query(SHOW_SUMMARY, [tenant, at.chat_session_id])
  })
  const { rows } = await sql.query<SummaryRow>(identity, SELECT_SUMMARY, [tenant, at.chat_session_id, at.thread_id, id])
  if (rows[0] === undefined) throw notFound('summary', id)
  return toSummary(rows[0])
}
