import { whole } from './checks.ts'
import type { EventDelivery, SubscribeOptions } from './event-types.ts'
import type { Subscription } from './subscription.ts'

const MAX_BATCH = 1_000
const MAX_WAIT_MS = 10 * 60_000

/** Deliveries in batches: full by count or by bytes, or as they are when `batchWaitMs` have passed since the first. Never empty. */
export async function* batchesOf(subscription: Subscription, options: SubscribeOptions): AsyncGenerator<EventDelivery[]> {
  const most = whole('batch', options.batch ?? 100, 1, MAX_BATCH)
  const waitMs = whole('batchWaitMs', options.batchWaitMs ?? 1_000, 0, MAX_WAIT_MS)
  const mostBytes = options.batchBytes === undefined ? Number.POSITIVE_INFINITY : whole('batchBytes', options.batchBytes, 1, Number.MAX_SAFE_INTEGER)
  let batch: EventDelivery[] = []
  try {
    while (!subscription.signal.aborted) {
      let bytes = 0
      let until = Number.POSITIVE_INFINITY
      const full = (): boolean => batch.length >= most || bytes >= mostBytes || performance.now() >= until
      while (!subscription.signal.aborted && !full()) {
        const left = Math.min(5_000, Math.max(0, Math.ceil(until - performance.now())))
        // By bytes, one more could be too much: then a few at a time.
        const limit = mostBytes === Number.POSITIVE_INFINITY ? most - batch.length : Math.min(16, most - batch.length)
        for (const delivery of await subscription.fetch(limit, left)) {
          if (batch.length === 0) until = performance.now() + waitMs
          batch.push(delivery)
          bytes += Buffer.byteLength(JSON.stringify(delivery.payload))
        }
      }
      if (batch.length === 0 || subscription.signal.aborted) continue
      const ready = batch
      batch = []
      yield ready
    }
  } finally {
    await subscription.giveBack(batch)
    await subscription.close()
  }
}
