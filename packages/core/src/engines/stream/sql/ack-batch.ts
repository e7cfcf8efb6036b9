import { MAINTENANCE } from '../../../identity/index.ts'
import type { SqlEngine } from '../../sql/index.ts'
import { ACKNOWLEDGE } from './stream-queries.ts'

/** Acknowledgements made at the same time share a statement. */
export class AckBatch {
  readonly #sql: SqlEngine
  readonly #stream: string
  readonly #consumer: string
  #waiting: number[] = []
  #flush: Promise<void> | undefined
  #running: Promise<unknown> = Promise.resolve()

  constructor(sql: SqlEngine, stream: string, consumer: string) {
    this.#sql = sql
    this.#stream = stream
    this.#consumer = consumer
  }

  /** Resolves when it is stored. */
  ack(sequence: number): Promise<void> {
    this.#waiting.push(sequence)
    // While a batch is on its way, the next one gathers.
    this.#flush ??= this.#running.then(() => this.#send())
    return this.#flush
  }

  async #send(): Promise<void> {
    const sequences = this.#waiting
    this.#waiting = []
    this.#flush = undefined
    const sent = this.#sql.query(MAINTENANCE, ACKNOWLEDGE, [this.#stream, this.#consumer, sequences], { name: 'cairn_stream_ack' })
    this.#running = sent.catch(() => undefined)
    await sent
  }
}
