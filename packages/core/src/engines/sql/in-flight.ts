import { CairnError } from '../../errors/index.ts'

/** Counts the calls that run, refuses new ones once closing has begun, and tells when the last one has ended. */
export class InFlight {
  #running = 0
  #closing = false
  #idle: (() => void) | undefined

  get closing(): boolean {
    return this.#closing
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing) throw new CairnError('CLOSED', 'The SQL engine has been closed. Open a new one.')
    this.#running += 1
    try {
      return await work()
    } finally {
      this.#running -= 1
      if (this.#running === 0) this.#idle?.()
    }
  }

  /** Resolves when nothing runs any more. */
  async close(): Promise<void> {
    this.#closing = true
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
  }
}
