import type { Logger } from '../../observability/index.ts'
import { whole } from './checks.ts'
import type { ConsumeOptions, Consumption, EventDelivery } from './event-types.ts'
import type { Subscription } from './subscription.ts'

const MAX_RETRY_DELAY_MS = 5 * 60_000
const MAX_CONCURRENCY = 1_000

export type EventHandler = (event: EventDelivery, signal: AbortSignal) => Promise<void> | void

/**
 * Runs a handler for each event: acknowledged when it resolves, delivered again with a growing delay when it throws. The signal
 * given to it is aborted when the consumption is asked to stop.
 */
export function runConsumer(subscription: Subscription, stopping: AbortController, options: ConsumeOptions, handler: EventHandler, log: Logger): Consumption {
  const concurrency = whole('concurrency', options.concurrency ?? 1, 1, MAX_CONCURRENCY)
  const batch = whole('batch', options.batch ?? concurrency, 1, MAX_CONCURRENCY)
  const retryDelayMs = whole('retryDelayMs', options.retryDelayMs ?? 1_000, 0, MAX_RETRY_DELAY_MS)
  const running = new Set<Promise<void>>()

  const handle = async (event: EventDelivery): Promise<void> => {
    try {
      await handler(event, stopping.signal)
    } catch (error) {
      try {
        options.onError?.(error, event)
      } catch (thrown) {
        log.error({ err: thrown, consumer: options.consumer }, 'onError threw; the consumer goes on')
      }
      // Without an answer it comes again after its ack wait.
      await event.retry(Math.min(retryDelayMs * 2 ** (event.deliveries - 1), MAX_RETRY_DELAY_MS)).catch(() => undefined)
      return
    }
    await event.ack().catch(() => undefined)
  }

  const done = (async () => {
    try {
      while (!subscription.signal.aborted) {
        const events = await subscription.fetch(Math.max(1, Math.min(batch, concurrency - running.size)))
        while (events.length > 0) {
          if (running.size >= concurrency) await Promise.race(running)
          else {
            const event = events.shift() as EventDelivery
            if (subscription.signal.aborted) {
              await subscription.giveBack([event, ...events])
              break
            }
            const work = handle(event).finally(() => running.delete(work))
            running.add(work)
          }
        }
        if (running.size >= concurrency) await Promise.race(running)
      }
    } finally {
      await Promise.allSettled(running)
      await subscription.close()
    }
  })()
  // Who does not wait for `done` would never know.
  done.catch((error: unknown) => log.error({ err: error, consumer: options.consumer, stream: options.stream }, 'the consumer has ended'))

  const stop = async (): Promise<void> => {
    stopping.abort()
    await done.catch(() => undefined)
  }
  return { stop, done, [Symbol.asyncDispose]: stop }
}
