import { createHash } from 'node:crypto'
import { uuidv7 } from '../../ids/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { type CompressedData, compressBest } from '../compression/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { MAX_ATTACHMENT_BYTES } from './attachments.ts'
import { MISSING_AGENTS } from './conversations-queries.ts'
import { REFERENCE } from './export-session.ts'
import { agentNotFound } from './failures.ts'
import { checkInput, importInput, isUuid } from './input.ts'
import { IMPORT_ATTACHMENTS, IMPORT_EDITS, IMPORT_MESSAGES, IMPORT_PARTICIPANTS, IMPORT_SESSION, IMPORT_SUMMARIES, IMPORT_THREADS } from './import-queries.ts'
import { PUT_BLOB } from './records-queries.ts'
import { malformed, readLine, type FileAttachment, type FileEnd, type FileMessage, type FileParticipant, type FileSession, type FileSummary, type FileThread } from './session-file.ts'
import { MAX_TEXT_BYTES } from './text-checks.ts'
import type { ImportSessionOptions } from './types.ts'

export type SessionFileSource = AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>

/** A file is held in memory until its last line has been read. */
const MAX_FILE_BYTES = 256 * 1_048_576
const BATCH = 500

interface Parsed {
  readonly session: FileSession
  readonly participants: FileParticipant[]
  readonly threads: FileThread[]
  readonly messages: FileMessage[]
  readonly attachments: (FileAttachment & { readonly plainBytes: number; readonly stored: CompressedData })[]
  readonly summaries: FileSummary[]
}

/** Reads the whole file, then stores it in one transaction; returns the new session's id. */
export async function importSession(context: DomainContext, source: SessionFileSource, options: ImportSessionOptions): Promise<string> {
  const { key, keys, missingAgents } = checkInput(importInput, options, 'options')
  const file = await parse(context, source)
  const known = await agentsIn(context, file, missingAgents === 'refuse')
  const sessionKey = key === undefined ? file.session.key : key
  try {
    return await store(context, file, known, sessionKey, keys === 'keep')
  } catch (error) {
    if (!isCairnError(error, 'DUPLICATE_KEY')) throw error
    throw new CairnError('DUPLICATE_KEY', "The file holds a key of a session, thread or message that this tenant has. Import with another `key` and with keys: 'drop', or delete what has it.", { cause: error, details: error.details })
  }
}

async function parse(context: DomainContext, source: SessionFileSource): Promise<Parsed> {
  let session: FileSession | undefined
  let end: FileEnd | undefined
  const parsed = { participants: [] as FileParticipant[], threads: [] as FileThread[], messages: [] as FileMessage[], attachments: [] as Parsed['attachments'], summaries: [] as FileSummary[] }
  const perThread = new Map<number, number>()
  let number = 0
  for await (const text of linesOf(source)) {
    number += 1
    if (text.trim() === '') continue
    if (end !== undefined) throw malformed(number, 'something follows the end')
    const { kind, value } = readLine(text, number)
    if ((session === undefined) !== (kind === 'session')) throw malformed(number, 'a file begins with one session')
    if (kind === 'session') session = value
    else if (kind === 'end') end = value
    else if (kind === 'participant') parsed.participants.push(value)
    else if (kind === 'summary') {
      if (value.thread !== null && value.thread > parsed.threads.length) throw malformed(number, `thread: there is no thread ${value.thread}`)
      parsed.summaries.push(value)
    } else if (kind === 'thread') {
      if (value.n !== parsed.threads.length + 1) throw malformed(number, `n: expected ${parsed.threads.length + 1}`)
      parsed.threads.push(value)
    } else if (kind === 'message') {
      checkMessage(value, parsed.threads.length, parsed.messages.length + 1, number)
      perThread.set(value.thread, (perThread.get(value.thread) ?? 0) + 1)
      parsed.messages.push(value)
    } else {
      parsed.attachments.push({ ...value, ...(await checkedBytes(context, value, parsed.messages, number)) })
    }
  }
  if (session === undefined || end === undefined) throw malformed(number, 'the file breaks off')
  for (const name of ['participants', 'threads', 'messages', 'attachments', 'summaries'] as const) {
    if (end[name] !== parsed[name].length) throw malformed(number, `${name}: the file says ${end[name]} and has ${parsed[name].length}`)
  }
  return { session, ...parsed }
}

function checkMessage(message: FileMessage, threads: number, expected: number, line: number): void {
  if (message.n !== expected) throw malformed(line, `n: expected ${expected}`)
  if (message.thread > threads) throw malformed(line, `thread: there is no thread ${message.thread}`)
  if (message.replyTo !== null && message.replyTo >= message.n) throw malformed(line, 'replyTo: it is no earlier message')
  if (Buffer.byteLength(message.content) > MAX_TEXT_BYTES) throw malformed(line, 'content: it is larger than 1 MiB')
  if ((message.editedAt === null) !== (message.edits.length === 0)) throw malformed(line, 'edits: they do not fit editedAt')
}

async function checkedBytes(context: DomainContext, { data, sha256, message }: FileAttachment, messages: readonly FileMessage[], line: number): Promise<{ plainBytes: number; stored: CompressedData }> {
  const plain = Buffer.from(data, 'base64')
  if (message > messages.length) throw malformed(line, `message: there is no message ${message}`)
  if (plain.byteLength > MAX_ATTACHMENT_BYTES) throw malformed(line, 'data: it is larger than 16 MiB')
  if (createHash('sha256').update(plain).digest('hex') !== sha256) throw malformed(line, 'data: its SHA-256 is another')
  return { plainBytes: plain.byteLength, stored: await compressBest(context, plain) }
}

/** Cut at line feeds alone: other separators may stand in a text. */
async function* linesOf(source: SessionFileSource): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  // In pieces until its end comes: one text that grows would be read anew with every chunk.
  let rest: string[] = []
  let bytes = 0
  for await (const chunk of source) {
    bytes += typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.byteLength
    if (bytes > MAX_FILE_BYTES) throw new CairnError('PAYLOAD_TOO_LARGE', `file: it is larger than ${MAX_FILE_BYTES} bytes.`, { details: { field: 'file', limit: MAX_FILE_BYTES } })
    let text: string
    try {
      text = typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })
    } catch (cause) {
      throw new CairnError('IMPORT_MALFORMED', 'The file is not UTF-8. Nothing was imported.', { cause })
    }
    const lines = text.split('\n')
    rest.push(lines.shift() ?? '')
    for (const line of lines) {
      yield rest.join('')
      rest = [line]
    }
  }
  const last = rest.join('')
  if (last !== '') yield last
}

/** Those agents of the file that the tenant has. @throws AGENT_NOT_FOUND when all must be there */
async function agentsIn({ sql, identity }: DomainContext, file: Parsed, all: boolean): Promise<Set<string>> {
  const named = new Set<string>()
  for (const { agentId } of [...file.threads, ...file.messages.map(({ author }) => author)]) if (agentId !== null) named.add(agentId.toLowerCase())
  for (const { kind, id } of file.participants) if (kind === 'agent' && isUuid(id)) named.add(id.toLowerCase())
  const { rows } = await sql.query<{ agent_id: string }>(identity, MISSING_AGENTS, [identity.tenant, [...named]])
  if (all && rows[0] !== undefined) throw agentNotFound(rows[0].agent_id, 'agentId')
  for (const row of rows) named.delete(row.agent_id)
  return named
}

async function store(context: DomainContext, file: Parsed, known: ReadonlySet<string>, sessionKey: string | null, keepKeys: boolean): Promise<string> {
  const { sql, identity } = context
  const { tenant } = identity
  const { session } = file
  const sessionId = uuidv7()
  const threadIds = file.threads.map(() => uuidv7())
  const messageIds = file.messages.map(() => uuidv7())
  const attachmentIds = file.attachments.map(() => uuidv7())
  const references = new Map(file.attachments.map(({ n }, index) => [n, attachmentIds[index] as string]))
  const agent = (id: string | null): string | null => (id !== null && known.has(id.toLowerCase()) ? id.toLowerCase() : null)
  const ofThread = file.threads.map(() => ({ messages: 0, tokens: 0, duration: 0 }))
  const messages = file.messages.map((message, index) => {
    const sums = ofThread[message.thread - 1] as (typeof ofThread)[number]
    sums.messages += 1
    sums.tokens += message.tokenCount ?? 0
    sums.duration += message.durationMs ?? 0
    const { kind, agentId, userId, label } = message.author
    const key = keepKeys ? message.key : null
    return {
      message_id: messageIds[index], message_key: key, message_digest: key === null ? null : createHash('sha256').update(JSON.stringify(message)).digest('hex'),
      thread_id: threadIds[message.thread - 1], seq: sums.messages, session_seq: message.n, author_kind: kind, author_user_id: kind === 'user' ? userId : null,
      author_agent_id: kind === 'user' || kind === 'system' ? null : agent(agentId), author_label: label, content: message.content, metadata: message.metadata,
      attachments: message.attachments.flatMap((one) => (typeof one === 'string' ? one : references.has(one.attachment) ? `${REFERENCE}${references.get(one.attachment)}` : [])),
      replied_to: message.replyTo === null ? null : messageIds[message.replyTo - 1], token_count: message.tokenCount, token_encoding: message.tokenEncoding,
      duration_ms: message.durationMs, edit_count: message.edits.length, sent_at: message.sentAt, edited_at: message.editedAt,
    }
  })
  const total = (pick: (sums: (typeof ofThread)[number]) => number): number => ofThread.reduce((sum, one) => sum + pick(one), 0)
  const participants = file.participants.filter(({ kind, id }) => kind === 'user' || known.has(id.toLowerCase()))
  const edits = file.messages.flatMap((message, index) => message.edits.map((edit, no) => ({ message_id: messageIds[index], edit_no: no + 1, previous_content: edit.previousContent, edited_by: edit.editedBy, edited_at: edit.editedAt })))

  await sql.transaction(identity, async (tx) => {
    const inBatches = async (statement: string, rows: readonly unknown[]): Promise<void> => {
      for (let from = 0; from < rows.length; from += BATCH) await tx.query(statement, [tenant, sessionId, JSON.stringify(rows.slice(from, from + BATCH))])
    }
    await tx.query(IMPORT_SESSION, [
      tenant, sessionId, sessionKey, session.type, session.status, session.title, JSON.stringify(session.context), JSON.stringify(session.settings), session.summary,
      file.messages.length, total((one) => one.tokens), total((one) => one.duration), session.editCount, session.createdAt, session.lastActivity, session.endedAt,
    ])
    await inBatches(IMPORT_PARTICIPANTS, participants)
    await inBatches(IMPORT_THREADS, file.threads.map((thread, index) => ({ ...thread, id: threadIds[index], key: keepKeys ? thread.key : null, agentId: agent(thread.agentId), ...ofThread[index] })))
    await inBatches(IMPORT_MESSAGES, messages)
    await inBatches(IMPORT_EDITS, edits)
    for (const { sha256, plainBytes, stored } of file.attachments) await tx.query(PUT_BLOB, [tenant, Buffer.from(sha256, 'hex'), plainBytes, stored.bytes, stored.algorithm, stored.level, stored.data])
    await inBatches(IMPORT_ATTACHMENTS, file.attachments.map(({ sha256, name, mediaType, metadata, createdAt, message }, index) => ({ id: attachmentIds[index], message_id: messageIds[message - 1], sha256, name, media_type: mediaType, metadata, created_at: createdAt })))
    await inBatches(IMPORT_SUMMARIES, file.summaries.map((summary) => ({ ...summary, id: uuidv7(), thread_id: summary.thread === null ? null : threadIds[summary.thread - 1] })))
  })
  return sessionId
}
