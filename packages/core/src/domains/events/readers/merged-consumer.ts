import type { StreamConsumer, StreamDelivery } from '../../../engines/stream/index.ts'

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
  readonly #asked = new Map<StreamConsumer, Promise<{ part: StreamConsumer; deliveries: StreamDelivery[] }>>()

  constructor(parts: readonly StreamConsumer[]) {
    this.#parts = parts
  }

  async fetch(limit: number, waitMs: number): Promise<StreamDelivery[]> {
    for (const part of this.#parts) {
      if (this.#asked.has(part)) continue
      const asked = part.fetch(limit, waitMs).then((deliveries) => ({ part, deliveries }))
      asked.catch(() => undefined)
      this.#asked.set(part, asked)
    }
    for (;;) {
      const first = await this.#first()
      // Empty: the part has waited; the others may still bring something.
      if (first.length > 0 || this.#asked.size === 0) return first
    }
  }

  async #first(): Promise<StreamDelivery[]> {
    try {
      const { part, deliveries } = await Promise.race(this.#asked.values())
      this.#asked.delete(part)
      return deliveries
    } catch (error) {
      this.#asked.clear()
      throw error
    }
  }

  async deadLetters(limit: number): Promise<StreamDelivery[]> {
    const found = await Promise.all(this.#parts.map((part) => part.deadLetters(limit)))
    return found.flat().slice(0, limit) as StreamDelivery[]
  }

  async close(): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.close()))
  }
}
