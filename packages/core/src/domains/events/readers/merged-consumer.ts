import { setTimeout as sleep } from 'node:timers/promises'
import type { StreamConsumer, StreamDelivery } from '../../../engines/stream/index.ts'

/** Until there is news: what was asked answers in any case. */
const LONGEST_SLEEP_MS = 2 ** 31 - 1

/**
 * One consumer over several: changes of state lie elsewhere than published events. Each part is asked ahead; what arrives after
 * the others were handed out waits for the next call, and after `close` until its ack wait is over.
 */
export function mergeConsumers(parts: readonly StreamConsumer[]): StreamConsumer {
  const [only] = parts
  return parts.length === 1 && only !== undefined ? only : new MergedConsumer(parts)
}

class MergedConsumer implements Pick<StreamConsumer, 'fetch' | 'close' | 'deadLetters'> {
  readonly #parts: readonly StreamConsumer[]
  readonly #asked = new Set<StreamConsumer>()
  #arrived: StreamDelivery[] = []
  #failure: { readonly error: unknown } | undefined
  #news = new AbortController()

  constructor(parts: readonly StreamConsumer[]) {
    this.#parts = parts
  }

  async fetch(limit: number, waitMs: number): Promise<StreamDelivery[]> {
    const until = performance.now() + waitMs
    const asked = new Set<StreamConsumer>()
    for (;;) {
      if (this.#failure !== undefined) {
        const { error } = this.#failure
        this.#failure = undefined
        throw error
      }
      if (this.#arrived.length > 0) return this.#arrived.splice(0, limit)
      const left = Math.max(0, Math.ceil(until - performance.now()))
      for (const part of this.#parts) {
        // With no time left each is asked once, for what is at hand; one that was asked ahead for longer brings it to a later call.
        if (this.#asked.has(part) || (left === 0 && asked.has(part))) continue
        asked.add(part)
        this.#ask(part, limit, left)
      }
      const own = [...asked].some((part) => this.#asked.has(part))
      if (left === 0 && !own) return []
      await sleep(left === 0 ? LONGEST_SLEEP_MS : left, undefined, { signal: this.#news.signal }).catch(() => undefined)
    }
  }

  async deadLetters(limit: number): Promise<StreamDelivery[]> {
    const found = await Promise.all(this.#parts.map((part) => part.deadLetters(limit)))
    return found.flat().slice(0, limit) as StreamDelivery[]
  }

  async close(): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.close()))
  }

  #ask(part: StreamConsumer, limit: number, waitMs: number): void {
    this.#asked.add(part)
    const answered = (): void => {
      this.#asked.delete(part)
      const before = this.#news
      this.#news = new AbortController()
      before.abort()
    }
    part.fetch(limit, waitMs).then(
      (deliveries) => {
        this.#arrived.push(...deliveries)
        answered()
      },
      (error: unknown) => {
        this.#failure = { error }
        answered()
      },
    )
  }
}
