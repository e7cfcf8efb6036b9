import { type OutboxRow, keyOfRow } from './outbox-row.ts'

/**
 * Rows by key: of one key the next begins when the one before is through, different keys go side by side. `work` resolves when a
 * row needs no more; it rejects only to stop its chain for good.
 */
export class KeyChains {
  readonly #most: number
  readonly #work: (row: OutboxRow) => Promise<void>
  readonly #chains = new Map<string, OutboxRow[]>()
  readonly #free: (() => void)[] = []
  readonly #settled: (() => void)[] = []
  #running = 0
  #size = 0

  /** `most`: rows under way at the same time. */
  constructor(most: number, work: (row: OutboxRow) => Promise<void>) {
    this.#most = most
    this.#work = work
  }

  /** Rows added and not through. */
  get size(): number {
    return this.#size
  }

  add(row: OutboxRow): void {
    this.#size++
    const key = keyOfRow(row)
    const chain = this.#chains.get(key)
    if (chain !== undefined) {
      chain.push(row)
      return
    }
    const own = [row]
    this.#chains.set(key, own)
    void this.#drain(key, own)
  }

  /** Resolves when at most `size` rows are left. */
  async downTo(size: number): Promise<void> {
    while (this.#size > size) await new Promise<void>((resolve) => this.#settled.push(resolve))
  }

  async #drain(key: string, chain: OutboxRow[]): Promise<void> {
    let next = 0
    try {
      for (; next < chain.length; next++) {
        await this.#enter()
        try {
          await this.#work(chain[next] as OutboxRow)
        } finally {
          this.#leave()
        }
        this.#size--
        this.#wake()
        // What is through is dropped now and then, so that a chain that never ends does not grow.
        if (next > 1_000) {
          chain.splice(0, next + 1)
          next = -1
        }
      }
    } catch {
      this.#size -= chain.length - next
    }
    this.#chains.delete(key)
    this.#wake()
  }

  async #enter(): Promise<void> {
    if (this.#running >= this.#most) await new Promise<void>((resolve) => this.#free.push(resolve))
    else this.#running++
  }

  /** A place is handed on to who waits for it. */
  #leave(): void {
    const next = this.#free.shift()
    if (next === undefined) this.#running--
    else next()
  }

  #wake(): void {
    for (const settled of this.#settled.splice(0)) settled()
  }
}
