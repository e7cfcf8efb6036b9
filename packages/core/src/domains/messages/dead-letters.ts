import { type Page, type PageOptions, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import * as z from 'zod'
import { check, uuidText } from '../../checks/index.ts'
import { LIST_DEAD_LETTERS, REDRIVE } from './history-queries.ts'
import type { MessageRoom } from './room.ts'
import type { AgentDeadLetter } from './types.ts'

/** Deliveries that were given up: attempts used up, or refused by their consumer. */
export class MessageDeadLetters {
  readonly #room: MessageRoom

  constructor(room: MessageRoom) {
    this.#room = room
  }

  /** Those not redriven yet, oldest first. INVALID_CURSOR */
  async list(options: PageOptions = {}): Promise<Page<AgentDeadLetter>> {
    const limit = pageLimit(options)
    const [after, id] = decodeCursor('message dead letters', options.cursor, 2) ?? [null, null]
    const { sql, identity, tenant } = this.#room
    const cursorId = id === null || id === undefined ? null : check(uuidText, id, 'cursor')
    const cursorTime = after === null ? null : check(z.number().int(), after, 'cursor')
    const { rows } = await sql.query<AgentDeadLetter & { micros: number }>(identity, LIST_DEAD_LETTERS, [tenant, cursorTime, cursorId, limit + 1])
    const { items, nextCursor } = toPage('message dead letters', rows, limit, ({ micros, id: letter }) => [micros, letter])
    return { items: items.map(({ micros: _, ...letter }) => letter), nextCursor }
  }

  /**
   * Sends each again to the recipient that did not get it done, once, whoever asks how often; a queue takes it also when it is full.
   * What expired is not asked again for. Returns the new messages.
   */
  async redrive(ids: readonly string[]): Promise<{ id: string; messageId: string }[]> {
    const checked = check(z.array(uuidText).min(1).max(1000), ids, 'ids')
    const { sql, identity, tenant } = this.#room
    const { rows } = await sql.query<{ id: string; messageId: string; inboxId: string }>(identity, REDRIVE, [tenant, checked])
    this.#room.waiters.stored([...new Set(rows.map(({ inboxId }) => inboxId))], false)
    return rows.map(({ id, messageId }) => ({ id, messageId }))
  }
}
