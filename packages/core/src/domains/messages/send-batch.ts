import type { CairnError } from '../../errors/index.ts'
import { isCairnError } from '../../errors/index.ts'
import type { MessageRoom } from './room.ts'
import { type SendRow, type StoredRow, isReply, storeRows } from './store-rows.ts'

const MAX_ROWS = 500
const MAX_BYTES = 4 * 1_048_576
/** A sender that loses the race for a key finds the winner's message at its next try; only a new race needs more. */
const RACE_ATTEMPTS = 8

interface Waiting {
  readonly row: SendRow
  readonly bytes: number
  readonly done: (stored: StoredRow) => void
  readonly failed: (error: unknown) => void
}

/**
 * Messages sent at the same time by different callers share a statement and a commit, one after the other, so that they are
 * stored in the order in which they were sent. None depends on another: when the statement fails, each is sent by itself.
 */
export class SendBatch {
  readonly #room: MessageRoom
  #waiting: Waiting[] = []
  #running: Promise<void> | undefined

  constructor(room: MessageRoom) {
    this.#room = room
  }

  send(row: SendRow, bytes: number): Promise<StoredRow> {
    return new Promise((done, failed) => {
      this.#waiting.push({ row, bytes, done, failed })
      this.#running ??= this.#run()
    })
  }

  async settled(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const batch = this.#take()
      try {
        const stored = await storeRows(this.#session(), this.#room.tenant, batch.map(({ row }) => row))
        this.#wake(stored, batch)
        batch.forEach(({ done }, index) => done(stored[index] as StoredRow))
      } catch (error) {
        const alone = batch.length > 1 || isCairnError(error, 'DUPLICATE_KEY')
        const hopeless = !isCairnError(error) || error.code === 'CONNECTION_FAILED' || error.code === 'CLOSED'
        if (!alone || hopeless) for (const { failed } of batch) failed(error)
        else for (const one of batch) await this.#alone(one)
      }
    }
    this.#running = undefined
  }

  async #alone(one: Waiting): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        const stored = await storeRows(this.#session(), this.#room.tenant, [one.row])
        this.#wake(stored, [one])
        one.done(stored[0] as StoredRow)
        return
      } catch (error) {
        if (raced(error) && attempt < RACE_ATTEMPTS) continue
        one.failed(error)
        return
      }
    }
  }

  /** A key goes only once into a statement. */
  #take(): Waiting[] {
    const keys = new Set<string>()
    const batch: Waiting[] = []
    const rest: Waiting[] = []
    let bytes = 0
    for (const one of this.#waiting) {
      const fits = batch.length < MAX_ROWS && (batch.length === 0 || bytes + one.bytes <= MAX_BYTES) && rest.length === 0
      if (!fits || (one.row.key !== undefined && keys.has(one.row.key))) rest.push(one)
      else {
        batch.push(one)
        bytes += one.bytes
        if (one.row.key !== undefined) keys.add(one.row.key)
      }
    }
    this.#waiting = rest
    return batch
  }

  #wake(stored: readonly StoredRow[], batch: readonly Waiting[]): void {
    const inboxes = [...new Set(stored.flatMap((row) => (row.outcome === 'stored' ? row.inboxes : [])))]
    const replies = batch.some(({ row }) => isReply(row))
    if (inboxes.length > 0 || replies) this.#room.waiters.stored(inboxes, replies)
  }

  #session() {
    const { sql, identity } = this.#room
    return { query: <Row>(text: string, values?: readonly unknown[], options?: { name?: string }) => sql.query<Row>(identity, text, values, options) }
  }
}

export function raced(error: unknown): error is CairnError {
  return isCairnError(error, 'DUPLICATE_KEY') || isCairnError(error, 'DEADLOCK')
}
