import type { Logger } from '../../observability/index.ts'

interface Undo {
  readonly name: string
  readonly run: () => Promise<void>
}

/** What undoes the effects of one try outside SQL, newest first. One that fails is logged and does not keep the others from running. */
export class Compensations {
  readonly #log: Logger
  readonly #correlationId: string
  #undos: Undo[] = []
  /** Grows while the try runs. */
  names: string[] = []

  constructor(log: Logger, correlationId: string) {
    this.#log = log
    this.#correlationId = correlationId
  }

  add(name: string, run: () => Promise<void>): void {
    this.#undos.push({ name, run })
    this.names.push(name)
  }

  async run(): Promise<void> {
    const undos = this.#undos.reverse()
    this.#undos = []
    this.names = []
    for (const { name, run } of undos) {
      try {
        await run()
      } catch (error) {
        this.#log.error({ err: error, compensation: name, correlationId: this.#correlationId }, 'A compensation failed; its effect stays and must be undone by hand')
      }
    }
  }
}
