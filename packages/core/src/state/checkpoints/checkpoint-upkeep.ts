import type { StateCore } from '../state-core.ts'
import { runPolicies } from './checkpoint-policies.ts'
import { completeRestores } from './complete-restores.ts'

const POLICIES_EVERY_MS = 10 * 60_000

/** Completes interrupted restores, at the start and whenever a process dies, and runs the retention policies of all tenants. */
export class CheckpointUpkeep {
  readonly #core: StateCore
  readonly #timers: NodeJS.Timeout[] = []
  readonly #stopped = new AbortController()
  #running: Promise<unknown> = Promise.resolve()

  constructor(core: StateCore) {
    this.#core = core
  }

  /** Resolves when what a former process left is completed. */
  async start(): Promise<void> {
    await this.#run(() => completeRestores(this.#core))
    this.#timers.push(
      setInterval(() => void this.#run(() => completeRestores(this.#core)), this.#core.options.deadAfterMs).unref(),
      setInterval(() => void this.#run(() => runPolicies(this.#core, null, false, this.#stopped.signal)), POLICIES_EVERY_MS).unref(),
    )
  }

  /** Waits for the agent whose turn it is; what waits for its own turn is not begun. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    for (const timer of this.#timers) clearInterval(timer)
    await this.#running
  }

  #run(work: () => Promise<unknown>): Promise<unknown> {
    this.#running = this.#running.then(() => (this.#stopped.signal.aborted ? undefined : work())).catch((error: unknown) => this.#core.log.debug({ err: error }, 'the upkeep of checkpoints failed and will be tried again'))
    return this.#running
  }
}
