import { uuidv7 } from '../../ids/index.ts'
import { CairnError } from '../../errors/index.ts'
import { type Page, type PageOptions, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import { notFound } from './channel-ids.ts'
import { INSERT_QUEUE, LIST_QUEUES, SELECT_QUEUE, UPDATE_QUEUE } from './channel-queries.ts'
import { duplicates } from './channels.ts'
import { check, jsonText } from '../../checks/index.ts'
import { createQueueInput, nameText, updateQueueInput } from './input.ts'
import type { MessageRoom } from './room.ts'
import type { CreateQueue, Queue, UpdateQueue } from './types.ts'

/** Message queues (S1 §4): each message goes to one of the consumers, and the size is exact under any number of senders. */
export class Queues {
  readonly #room: MessageRoom

  constructor(room: MessageRoom) {
    this.#room = room
  }

  /** DUPLICATE_KEY */
  async create(input: CreateQueue): Promise<Queue> {
    const { name, type, maxSize, configuration } = check(createQueueInput, input, 'queue')
    const { sql, identity, tenant } = this.#room
    const { rows } = await duplicates('queue', name, () => sql.query<Queue>(identity, INSERT_QUEUE, [tenant, uuidv7(), name, type, maxSize, jsonText('configuration', configuration)]))
    return rows[0] as Queue
  }

  /** By its name. NOT_FOUND */
  async get(name: string): Promise<Queue> {
    const { sql, identity, tenant } = this.#room
    const { rows } = await sql.query<Queue>(identity, SELECT_QUEUE, [tenant, check(nameText, name, 'name')])
    if (rows[0] === undefined) throw notFound('queue', name)
    return rows[0]
  }

  /** By name. INVALID_CURSOR */
  async list(options: PageOptions = {}): Promise<Page<Queue>> {
    const limit = pageLimit(options)
    const after = decodeCursor('message queues', options.cursor, 1)?.[0] ?? null
    const { sql, identity, tenant } = this.#room
    const { rows } = await sql.query<Queue>(identity, LIST_QUEUES, [tenant, after, limit + 1])
    return toPage('message queues', rows, limit, ({ name }) => [name])
  }

  /** NOT_FOUND; INVALID_ARGUMENT for a limit on a queue made without one. */
  async update(name: string, patch: UpdateQueue): Promise<Queue> {
    const { maxSize, configuration, isActive } = check(updateQueueInput, patch, 'patch')
    const { sql, identity, tenant } = this.#room
    const values = [tenant, check(nameText, name, 'name'), maxSize ?? null, configuration === undefined ? null : jsonText('configuration', configuration), isActive ?? null]
    const { rows } = await sql.query<Queue>(identity, UPDATE_QUEUE, values)
    if (rows[0] !== undefined) return rows[0]
    await this.get(name)
    throw new CairnError('INVALID_ARGUMENT', `maxSize: the queue ${JSON.stringify(name)} was made without a limit, so its messages are not counted. Make another queue with one.`, { details: { field: 'maxSize' } })
  }
}
