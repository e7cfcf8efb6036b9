import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, isCairnError } from '../../../errors/index.ts'
import type { SqlEngine } from '../../../engines/sql/index.ts'
import type { JetStreamStreamEngine } from '../../../engines/stream/index.ts'
import { MAINTENANCE } from '../../../identity/index.ts'
import type { Logger } from '../../../observability/index.ts'
import { KeyChains } from './key-chains.ts'
import type { OutboxRow } from './outbox-row.ts'
import { BURY_UNRELAYED, DELETE_RELAYED, READ_OUTBOX } from './relay-queries.ts'

const READ_ROWS = 500
/** Rows in memory; more wait in the table. */
const MOST_ROWS = 4_000
const MOST_IN_FLIGHT = 512
const POLL_MS = 250
const RETRY_MS = 100
const LONGEST_RETRY_MS = 2_000
/** A row that the server refuses for what it is. */
const TRIES = 5

/** Nothing is wrong with the row: it waits until the server takes it. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['CONNECTION_FAILED', 'OUTCOME_UNKNOWN', 'TIMEOUT', 'STORAGE_FULL', 'AUTHENTICATION_FAILED', 'CLOSED'])

export interface PumpOwner {
  readonly sql: SqlEngine
  readonly log: Logger
  readonly signal: AbortSignal
  /** Resolves when this process still leads; rejects for good when it does not. */
  assertLeading(): Promise<void>
  /** Makes the stream on the server when it is not there. */
  ensureStream(): Promise<void>
  engine(): Promise<JetStreamStreamEngine>
  waitForNews(ms: number): Promise<void>
  published(): void
  failed(error: unknown): void
}

/** Publishes the outbox rows of one stream for one term. Reads on from a place in memory: what it has read, it brings to an end. */
export class StreamPump {
  readonly #owner: PumpOwner
  readonly #stream: string
  readonly #chains: KeyChains
  #done: number[] = []
  #deleting: Promise<void> | undefined

  constructor(owner: PumpOwner, stream: string) {
    this.#owner = owner
    this.#stream = stream
    this.#chains = new KeyChains(MOST_IN_FLIGHT, (row) => this.#relay(row))
  }

  /** Returns when the term is over and what was under way has ended. */
  async run(): Promise<void> {
    const { sql, signal, log } = this.#owner
    let place: { xid: string; outboxId: number } = { xid: '0', outboxId: 0 }
    while (!signal.aborted) {
      try {
        const { rows } = await sql.query<OutboxRow>(MAINTENANCE, READ_OUTBOX, [this.#stream, place.xid, place.outboxId, READ_ROWS], { name: 'cairn_outbox_read' })
        if (rows.length > 0 && place.xid === '0') await this.#untilEnsured()
        for (const row of rows) this.#chains.add(row)
        const last = rows.at(-1)
        if (last === undefined) await this.#owner.waitForNews(POLL_MS)
        else {
          place = last
          await this.#chains.downTo(MOST_ROWS - READ_ROWS)
        }
      } catch (error) {
        if (signal.aborted) break
        log.debug({ err: error, stream: this.#stream }, 'the outbox could not be read; it is tried again')
        await this.#pause(RETRY_MS * 5)
      }
    }
    await this.#chains.downTo(0)
    await this.#deleting
  }

  async #untilEnsured(): Promise<void> {
    const { signal, log } = this.#owner
    for (let wait = RETRY_MS; !signal.aborted; wait = Math.min(2 * wait, LONGEST_RETRY_MS)) {
      try {
        await this.#owner.ensureStream()
        return
      } catch (error) {
        this.#owner.failed(error)
        log.debug({ err: error, stream: this.#stream }, 'the stream is not ready; it is tried again')
        await this.#pause(wait)
      }
    }
  }

  /** Resolves when the row is stored or given up; rejects when the term is over. */
  async #relay(row: OutboxRow): Promise<void> {
    const { signal } = this.#owner
    for (let tries = 1, wait = RETRY_MS; ; wait = Math.min(2 * wait, LONGEST_RETRY_MS)) {
      if (signal.aborted) throw signal.reason
      await this.#owner.assertLeading()
      try {
        const engine = await this.#owner.engine()
        await engine.publish(row.subject, row.payload, { id: `${row.tenant}:${row.msgId}`, headers: row.headers })
        this.#owner.published()
        this.#finish(row.outboxId)
        return
      } catch (error) {
        if (signal.aborted) throw error
        this.#owner.failed(error)
        if (isCairnError(error, 'NOT_FOUND')) await this.#untilEnsured()
        if (!isCairnError(error) || !PASSING.has(error.code)) {
          if (tries >= TRIES) {
            await this.#bury(row, tries, error)
            return
          }
          tries++
        }
        await this.#pause(wait)
      }
    }
  }

  async #bury(row: OutboxRow, tries: number, error: unknown): Promise<void> {
    const { sql, log, signal } = this.#owner
    const reason = error instanceof Error ? error.message : String(error)
    log.warn({ err: error, stream: this.#stream, outboxId: row.outboxId }, 'an event cannot be published; it is with the dead letters')
    while (!signal.aborted) {
      try {
        await sql.query(MAINTENANCE, BURY_UNRELAYED, [row.outboxId, tries, reason.slice(0, 1_000)])
        return
      } catch {
        await this.#pause(RETRY_MS * 5)
      }
    }
  }

  /** What was stored while a deletion is on its way goes with the next one. */
  #finish(outboxId: number): void {
    this.#done.push(outboxId)
    this.#deleting ??= this.#delete().finally(() => {
      this.#deleting = undefined
    })
  }

  async #delete(): Promise<void> {
    // Those of the same moment come along.
    await new Promise((resolve) => setImmediate(resolve))
    for (let lastTry = false; this.#done.length > 0; ) {
      const ids = this.#done
      this.#done = []
      try {
        await this.#owner.sql.query(MAINTENANCE, DELETE_RELAYED, [ids], { name: 'cairn_outbox_delete' })
      } catch (error) {
        // A row that stays is published again by the next term, under the same message id.
        if (lastTry || isCairnError(error, 'CLOSED')) return
        lastTry = this.#owner.signal.aborted
        this.#done.push(...ids)
        await this.#pause(RETRY_MS * 5)
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#owner.signal }).catch(() => undefined)
  }
}
