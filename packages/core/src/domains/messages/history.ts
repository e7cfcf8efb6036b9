import { sql as raw } from 'kysely'
import { compose } from '../../engines/sql/index.ts'
import { CairnError } from '../../errors/index.ts'
import { type Page, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import { channelIds } from './channel-ids.ts'
import { check, uuidText } from '../../checks/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import { NEWEST_BETWEEN, NEWEST_OF_KINDS, SELECT_DELIVERIES, SELECT_MESSAGE } from './history-queries.ts'
import { listInput } from './input.ts'
import { BECAME_COLUMNS, LOG_COLUMNS } from './log-columns.ts'
import type { MessageRoom } from './room.ts'
import type { DeliveryRecord, MessageListOptions, MessageRecord, MessageWithDeliveries } from './types.ts'
import { MESSAGE_KINDS } from './words.ts'

/** One message with what became of it. NOT_FOUND */
export async function getMessage(room: MessageRoom, messageId: string): Promise<MessageWithDeliveries> {
  const id = check(uuidText, messageId, 'messageId')
  const { sql, identity, tenant } = room
  const message = (await sql.query<MessageRecord>(identity, SELECT_MESSAGE, [tenant, id])).rows[0]
  if (message === undefined) throw new CairnError('NOT_FOUND', `There is no message ${id} in this tenant. Check the id; list what was sent.`, { details: { messageId: id } })
  const { rows } = await sql.query<DeliveryRecord>(identity, SELECT_DELIVERIES, [tenant, id])
  return { ...message, deliveries: rows }
}

/** Newest first, by the id, which holds the time. */
export async function listMessages(room: MessageRoom, options: MessageListOptions): Promise<Page<MessageRecord>> {
  const given = check(listInput, options, 'options')
  const limit = pageLimit(options)
  const before = decodeCursor('agent messages', options.cursor, 2)
  const agent = async (name: string | undefined) => (name === undefined ? undefined : room.agentId(name))
  const [from, to, one, other] = await Promise.all([agent(given.from), agent(given.to), agent(given.between?.[0]), agent(given.between?.[1])])
  const [channel] = given.channel === undefined ? [] : await channelIds(room, [given.channel])

  let query = compose.selectFrom('messages.history as l').select(raw<string>`l.message_id`.as('id')).select(raw`${raw.raw(`${LOG_COLUMNS}, ${BECAME_COLUMNS}, (extract(epoch FROM l.created_at) * 1000000)::bigint`)}`.as('micros')).where('l.tenant_id', '=', room.tenant)
  if (channel !== undefined) query = query.where('l.channel_id', '=', channel)
  if (from !== undefined) query = query.where('l.from_agent_id', '=', from)
  if (to !== undefined) query = query.where('l.to_agent_id', '=', to)
  if (given.correlationId !== undefined) query = query.where('l.correlation_id', '=', given.correlationId)
  if (given.kind !== undefined) query = query.where('l.message_kind', '=', given.kind)
  if (one !== undefined && other !== undefined) {
    query = query.where((either) => either.or([either.and({ 'l.from_agent_id': one, 'l.to_agent_id': other }), either.and({ 'l.from_agent_id': other, 'l.to_agent_id': one })]))
  }
  const after = before === undefined ? undefined : positionOf(before)
  if (after !== undefined) query = query.where(raw<boolean>`(l.created_at, l.message_id) < (timestamptz 'epoch' + ${after.micros}::bigint * interval '1 microsecond', ${after.id}::uuid)`)
  const rest = [channel, from, to, given.correlationId].every((each) => each === undefined)
  const isOfPair = one !== undefined && other !== undefined
  if (rest && !(isOfPair && given.kind !== undefined)) {
    const [micros, id] = [after?.micros ?? null, after?.id ?? null]
    const newest = isOfPair
      ? await room.sql.query<Position>(room.identity, NEWEST_BETWEEN, [room.tenant, one, other, micros, id, limit + 1])
      : await room.sql.query<Position>(MAINTENANCE, NEWEST_OF_KINDS, [room.tenant, given.kind === undefined ? MESSAGE_KINDS : [given.kind], micros, id, limit + 1])
    query = query.where(raw<boolean>`(l.message_id, l.created_at) IN (SELECT n.id, timestamptz 'epoch' + n.micros * interval '1 microsecond'
      FROM unnest(${newest.rows.map((each) => each.id)}::uuid[], ${newest.rows.map((each) => each.micros)}::bigint[]) AS n (id, micros))`)
  }
  const page = query.orderBy(raw`l.created_at`, 'desc').orderBy(raw`l.message_id`, 'desc').limit(limit + 1)
  const { sql: text, parameters } = page.compile()
  const { rows } = await room.sql.query<MessageRecord & { micros: number }>(room.identity, text, parameters)
  const { items, nextCursor } = toPage('agent messages', rows, limit, ({ micros, id }) => [micros, id])
  return { items: items.map(({ micros: _, ...message }) => message), nextCursor }
}

interface Position {
  readonly id: string
  readonly micros: number
}

function positionOf(cursor: readonly (string | number | null)[]): Position {
  const [micros, id] = [Number(cursor[0]), check(uuidText, cursor[1], 'cursor')]
  if (!Number.isSafeInteger(micros)) throw new CairnError('INVALID_CURSOR', 'cursor: this is not a cursor of the list "agent messages". Start again without a cursor.')
  return { id, micros }
}
