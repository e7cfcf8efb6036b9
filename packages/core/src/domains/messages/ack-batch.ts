import { setTimeout as sleep } from 'node:timers/promises'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { isCairnError } from '../../errors/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import { ACKNOWLEDGE, ACKNOWLEDGED_BEFORE } from './inbox-queries.ts'

const MAX_BATCH = 1_000
/** An acknowledgement whose answer was lost is sent again for this long: it is done once. */
const RETRY_FOR_MS = 15_000

interface Waiting {
  readonly deliveryId: number
  readonly leaseNo: number
  readonly done: (accepted: boolean) => void
  readonly failed: (error: unknown) => void
}

/** Acknowledgements made at the same time share a statement and a commit. */
export class AckBatch {
  readonly #sql: SqlEngine
  readonly #identity: TenantIdentity
  #waiting: Waiting[] = []
  #running: Promise<void> | undefined

  constructor(sql: SqlEngine, identity: TenantIdentity) {
    this.#sql = sql
    this.#identity = identity
  }

  /** False when the lease was over and the message went to another. */
  ack(deliveryId: number, leaseNo: number): Promise<boolean> {
    return new Promise((done, failed) => {
      this.#waiting.push({ deliveryId, leaseNo, done, failed })
      this.#running ??= this.#run()
    })
  }

  async settled(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    // What is acknowledged in the same turn goes together.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_BATCH)
      try {
        const accepted = await this.#send(batch)
        for (const { deliveryId, leaseNo, done } of batch) done(accepted.get(deliveryId) === leaseNo)
      } catch (error) {
        for (const { failed } of batch) failed(error)
      }
    }
    this.#running = undefined
  }

  /** The lease under which each delivery was acknowledged: two of its holders may be in one batch, and one of them is late. */
  async #send(batch: readonly Waiting[]): Promise<Map<number, number>> {
    const end = performance.now() + RETRY_FOR_MS
    for (let waitMs = 20; ; waitMs = Math.min(2 * waitMs, 1_000)) {
      try {
        const accepted = await this.#accepted(ACKNOWLEDGE, 'messages_ack', batch)
        const rest = batch.filter(({ deliveryId }) => !accepted.has(deliveryId))
        if (rest.length > 0) for (const [id, leaseNo] of await this.#accepted(ACKNOWLEDGED_BEFORE, 'messages_acked', rest)) accepted.set(id, leaseNo)
        return accepted
      } catch (error) {
        if (!isCairnError(error) || !error.retryable || performance.now() > end) throw error
        await sleep(waitMs)
      }
    }
  }

  async #accepted(text: string, name: string, batch: readonly Waiting[]): Promise<Map<number, number>> {
    const values = [this.#identity.tenant, batch.map(({ deliveryId }) => deliveryId), batch.map(({ leaseNo }) => leaseNo)]
    const { rows } = await this.#sql.query<{ deliveryId: number; leaseNo: number }>(this.#identity, text, values, { name })
    return new Map(rows.map(({ deliveryId, leaseNo }) => [deliveryId, leaseNo]))
  }
}
