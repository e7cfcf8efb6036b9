import { CairnError } from '../../errors/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { jsonText } from '../../checks/index.ts'
import type { RunningTask } from './running-task.ts'
import { SET_PROGRESS } from './worker-queries.ts'

interface Writing {
  /** JSON text that came while another was being stored. */
  next: string | undefined
  done: Promise<void>
}

/** Stores the progress of running tasks: one write at a time a task, and of what comes meanwhile only the last. */
export class ProgressWriter {
  readonly #context: DomainContext
  readonly #writing = new Map<RunningTask, Writing>()

  constructor(context: DomainContext) {
    this.#context = context
  }

  /** SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE; LEASE_LOST when the task is another's by now, or has ended. */
  async store(run: RunningTask, progress: Record<string, unknown>): Promise<void> {
    const text = jsonText('progress', progress)
    const current = this.#writing.get(run)
    if (current !== undefined) {
      current.next = text
      return current.done
    }
    const entry: Writing = { next: text, done: Promise.resolve() }
    this.#writing.set(run, entry)
    entry.done = this.#write(run, entry)
    return entry.done
  }

  async drained(): Promise<void> {
    await Promise.all([...this.#writing.values()].map(({ done }) => done.catch(() => undefined)))
  }

  async #write(run: RunningTask, entry: Writing): Promise<void> {
    const { identity, sql } = this.#context
    try {
      while (entry.next !== undefined) {
        const text = entry.next
        entry.next = undefined
        const { rowCount } = await sql.query(identity, SET_PROGRESS.text, [identity.tenant, run.id, run.task.claim.token, text], { name: SET_PROGRESS.name })
        if (rowCount === 0) throw new CairnError('LEASE_LOST', `progress: the lease of task ${run.id} is lost, or it has ended.`, { details: { taskId: run.id } })
      }
    } finally {
      this.#writing.delete(run)
    }
  }
}
