import { createHash } from 'node:crypto'
import { uuidv7 } from '../../ids/index.ts'
import { CairnError } from '../../errors/index.ts'
import { canonicalJson } from '../../state/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { check, jsonText } from '../../checks/index.ts'
import { sendInput } from './input.ts'
import type { MessageRoom } from './room.ts'
import { COUNT_RECIPIENTS } from './send-queries.ts'
import { type SendRow, type StoredRow, isReply, storeRows } from './store-rows.ts'
import { checkSubject } from './subject.ts'
import type { SendInput, SendOptions, Sent } from './types.ts'

/** Payload and headers of a message, in bytes of UTF-8: with its envelope it fits the 256 KiB of the stream (S4 §11.1). */
const MAX_MESSAGE_BYTES = 258_048

export const MAX_BATCH_MESSAGES = 1_000

export interface Draft {
  readonly row: SendRow
  readonly bytes: number
}

interface DraftOptions extends SendOptions {
  /** Stands before the names of fields in errors. */
  readonly field?: string
  readonly replyTo?: 'request' | undefined
  /** The correlation id was made up for this try: another try with the same key is the same message. */
  readonly ownCorrelation?: boolean
}

/** Checked, with its agents resolved. */
export async function draft(room: MessageRoom, context: DomainContext, input: SendInput, { field = '', replyTo, ownCorrelation = false, tx }: DraftOptions = {}): Promise<Draft> {
  const given = check(sendInput, input, `${field}message`)
  const payload = given.payload === undefined ? {} : given.payload
  const headers = given.headers ?? {}
  const bytes = Buffer.byteLength(jsonText(`${field}payload`, payload, MAX_MESSAGE_BYTES)) + Buffer.byteLength(jsonText(`${field}headers`, headers, MAX_MESSAGE_BYTES))
  if (bytes > MAX_MESSAGE_BYTES) {
    throw new CairnError('PAYLOAD_TOO_LARGE', `${field}payload: ${bytes} bytes with the headers are more than the limit of ${MAX_MESSAGE_BYTES}. Store the large part elsewhere and send a reference.`, {
      details: { field: `${field}payload`, bytes, limit: MAX_MESSAGE_BYTES },
    })
  }
  const { actor } = context.identity
  const sender = given.from ?? (actor.kind === 'agent' ? actor.id : undefined)
  const kind = given.kind ?? 'notification'
  const row: SendRow = {
    id: uuidv7(),
    key: given.idempotencyKey,
    digest: undefined,
    kind,
    type: given.type ?? kind,
    subject: given.subject === undefined ? undefined : checkSubject(given.subject),
    payload,
    headers,
    priority: given.priority ?? 5,
    correlation: given.correlationId,
    parent: given.parentId,
    reply_to: replyTo,
    from: sender === undefined ? undefined : await room.agentId(sender, tx),
    to: given.to === undefined ? undefined : await room.agentId(given.to, tx),
    to_type: given.toType,
    channel: given.channel,
    queue: given.queue,
    delay_ms: given.delayMs,
    ttl_ms: given.ttlMs,
    max_retries: given.maxRetries,
  }
  if (row.from !== undefined && row.from === row.to) {
    throw new CairnError('INVALID_ARGUMENT', `${field}to: an agent cannot send a message to itself (${row.to}).`, { details: { field: `${field}to` } })
  }
  if (row.key === undefined) return { row, bytes }
  const { id: _, ...rest } = row
  const content = ownCorrelation ? { ...rest, correlation: undefined } : rest
  return { row: { ...row, digest: createHash('sha256').update(canonicalJson(JSON.parse(JSON.stringify(content)))).digest('hex') }, bytes }
}

/** Sends one message; see MessagesService.send. */
export async function sendOne(room: MessageRoom, { row, bytes }: Draft, options: SendOptions = {}): Promise<Sent> {
  const stored = options.tx === undefined ? await room.sends.send(row, bytes) : await inTransaction(room, options, [row]).then((all) => all[0] as StoredRow)
  return (await results(room, [row], [stored], options))[0] as Sent
}

/** Sends all or none, in one statement. */
export async function sendAll(room: MessageRoom, drafts: readonly Draft[], options: SendOptions = {}): Promise<Sent[]> {
  const rows = drafts.map(({ row }) => row)
  const keys = rows.flatMap(({ key }) => key ?? [])
  const twice = keys.find((key, index) => keys.indexOf(key) !== index)
  if (twice !== undefined) {
    throw new CairnError('INVALID_ARGUMENT', `idempotencyKey: ${JSON.stringify(twice)} stands twice in one batch. Give each message a key of its own.`, { details: { field: 'idempotencyKey' } })
  }
  if (options.tx !== undefined) return results(room, rows, await inTransaction(room, options, rows), options)
  const stored = await room.sql.transaction(room.identity, async (session) => {
    const all = await storeRows(session, room.tenant, rows)
    refuse(room, rows, all)
    return all
  }, { attempts: 5 })
  room.waiters.stored([...new Set(stored.flatMap(({ inboxes }) => inboxes))], rows.some(isReply))
  return results(room, rows, stored, options)
}

/** In the caller's transaction a message that is refused throws, and the caller decides; its statement stored what it could. */
async function inTransaction(room: MessageRoom, { tx }: SendOptions, rows: readonly SendRow[]): Promise<StoredRow[]> {
  if (tx === undefined) return []
  const stored = await storeRows(tx, room.tenant, rows)
  room.waiters.storedSoon()
  return stored
}

async function results(room: MessageRoom, rows: readonly SendRow[], stored: readonly StoredRow[], { tx }: SendOptions): Promise<Sent[]> {
  refuse(room, rows, stored)
  const known = stored.filter(({ outcome }) => outcome === 'known').map(({ id }) => id)
  const counts = new Map<string, number>()
  if (known.length > 0) {
    const session = tx ?? { query: <Row>(text: string, values: readonly unknown[]) => room.sql.query<Row>(room.identity, text, values) }
    const found = await session.query<{ id: string; recipients: number }>(COUNT_RECIPIENTS, [room.tenant, known])
    for (const { id, recipients } of found.rows) counts.set(id, recipients)
  }
  return stored.map(({ id, createdAt, inboxes, outcome }) => ({ id, createdAt, recipients: counts.get(id) ?? inboxes.length, duplicate: outcome === 'known' }))
}

function refuse(room: MessageRoom, rows: readonly SendRow[], stored: readonly StoredRow[]): void {
  stored.forEach((result, index) => {
    const row = rows[index] as SendRow
    if (result.outcome === 'stored' || (result.outcome === 'known' && result.same === true)) return
    throw refusal(room, row, result)
  })
}

function refusal(room: MessageRoom, row: SendRow, { outcome, id }: StoredRow): CairnError {
  const target = JSON.stringify(row.queue ?? row.channel)
  switch (outcome) {
    case 'from':
      return room.noAgent(row.from ?? '')
    case 'to':
      return room.noAgent(row.to ?? '')
    case 'channel':
      return new CairnError('NOT_FOUND', `channel: there is no channel ${JSON.stringify(row.channel)}. Make it with messages.channels.create.`, { details: { field: 'channel', channel: row.channel } })
    case 'queue':
      return new CairnError('NOT_FOUND', `queue: there is no queue ${JSON.stringify(row.queue)}. Make it with messages.queues.create.`, { details: { field: 'queue', queue: row.queue } })
    case 'inactive':
      return new CairnError('CHANNEL_INACTIVE', `${target} is switched off and takes no messages. Switch it on with isActive: true.`, { details: { channel: row.channel ?? null, queue: row.queue ?? null } })
    case 'pattern':
      return new CairnError('INVALID_ARGUMENT', `to: only a channel of the pattern direct goes with one recipient, and it needs one; ${target} does not fit.`, { details: { field: 'to' } })
    case 'full':
      return new CairnError('QUEUE_FULL', `The queue ${target} is full. Send again when its consumers have caught up, or raise its maxSize.`, { details: { queue: row.queue ?? row.channel } })
    default:
      return new CairnError('DUPLICATE_KEY', `idempotencyKey: ${JSON.stringify(row.key)} belongs to another message with other content. Use another key, or read that one.`, {
        details: { field: 'idempotencyKey', messageId: id },
      })
  }
}
