import { uuidv7 } from '../../ids/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { type Page, type PageOptions, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import { channelIds, notFound } from './channel-ids.ts'
import { CHANNEL_STATS, INSERT_CHANNEL, INSERT_QUEUE, LIST_CHANNELS, SELECT_CHANNEL, UPDATE_CHANNEL } from './channel-queries.ts'
import { check, jsonText } from '../../checks/index.ts'
import { createChannelInput, nameText, updateChannelInput } from './input.ts'
import type { MessageRoom } from './room.ts'
import type { Channel, ChannelStats, CreateChannel, UpdateChannel } from './types.ts'
import { DELIVERY_STATUSES, type DeliveryStatus } from './words.ts'

/** Named ways for messages (S1 §4, S4 §9.2). INVALID_ARGUMENT for malformed input; those of another tenant do not exist. */
export class Channels {
  readonly #room: MessageRoom

  constructor(room: MessageRoom) {
    this.#room = room
  }

  /** With the pattern `queue`, also the queue of its name, in one transaction. DUPLICATE_KEY. */
  async create(input: CreateChannel): Promise<Channel> {
    const { name, pattern, purpose, description, configuration, queue } = check(createChannelInput, input, 'channel')
    if (queue !== undefined && pattern !== 'queue') throw new CairnError('INVALID_ARGUMENT', `queue: a channel of the pattern ${pattern} has no queue.`, { details: { field: 'queue' } })
    const { sql, identity, tenant } = this.#room
    const json = jsonText('configuration', configuration)
    const insert = async (session: Pick<SqlSession, 'query'>): Promise<Channel> => {
      const { rows } = await session.query<Channel>(INSERT_CHANNEL, [tenant, uuidv7(), name, pattern, purpose, description ?? null, json])
      return rows[0] as Channel
    }
    return duplicates('channel', name, () =>
      sql.transaction(identity, async (session) => {
        if (pattern === 'queue') await session.query(INSERT_QUEUE, [tenant, uuidv7(), name, queue?.type ?? 'priority', queue?.maxSize === undefined ? 10_000 : queue.maxSize, json])
        return insert(session)
      }),
    )
  }

  /** By its name. NOT_FOUND */
  async get(name: string): Promise<Channel> {
    const { sql, identity, tenant } = this.#room
    const { rows } = await sql.query<Channel>(identity, SELECT_CHANNEL, [tenant, check(nameText, name, 'name')])
    if (rows[0] === undefined) throw notFound('channel', name)
    return rows[0]
  }

  /** By name. INVALID_CURSOR */
  async list(options: PageOptions = {}): Promise<Page<Channel>> {
    const limit = pageLimit(options)
    const after = decodeCursor('channels', options.cursor, 1)?.[0] ?? null
    const { sql, identity, tenant } = this.#room
    const { rows } = await sql.query<Channel>(identity, LIST_CHANNELS, [tenant, after, limit + 1])
    return toPage('channels', rows, limit, ({ name }) => [name])
  }

  /** Changes what is given. Switched off, it takes no messages; those in it are still delivered. NOT_FOUND */
  async update(name: string, patch: UpdateChannel): Promise<Channel> {
    const { description, configuration, isActive } = check(updateChannelInput, patch, 'patch')
    const { sql, identity, tenant } = this.#room
    const values = [tenant, check(nameText, name, 'name'), description !== undefined, description ?? null, configuration === undefined ? null : jsonText('configuration', configuration), isActive ?? null]
    const { rows } = await sql.query<Channel>(identity, UPDATE_CHANNEL, values)
    if (rows[0] === undefined) throw notFound('channel', name)
    return rows[0]
  }

  /** What went through it and how it ended; reads all of it. NOT_FOUND */
  async stats(name: string): Promise<ChannelStats> {
    const { sql, identity, tenant } = this.#room
    const [id] = await channelIds(this.#room, [check(nameText, name, 'name')])
    const { rows } = await sql.query<Omit<ChannelStats, 'deliveries'> & { deliveries: Partial<Record<DeliveryStatus, number>> }>(identity, CHANNEL_STATS, [tenant, id])
    const row = rows[0]
    if (row === undefined) throw notFound('channel', name)
    const deliveries = Object.fromEntries(DELIVERY_STATUSES.map((status) => [status, row.deliveries[status] ?? 0])) as Record<DeliveryStatus, number>
    return { ...row, deliveries }
  }
}

export async function duplicates<T>(what: string, name: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!isCairnError(error, 'DUPLICATE_KEY')) throw error
    throw new CairnError('DUPLICATE_KEY', `There is a ${what} (or the queue of one) with the name ${JSON.stringify(name)} already. Use another name, or that one.`, { cause: error, details: { [what]: name } })
  }
}
