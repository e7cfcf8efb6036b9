import { CairnError, isCairnError } from '../../errors/index.ts'
import type { SqlEngine, SqlSession } from '../../engines/sql/index.ts'
import type { Actor } from '../../identity/index.ts'
import { canonicalJson, type StateService } from '../../state/index.ts'
import { backoff, describeError, isRetryable, isUncertain, withinLimit } from './attempts.ts'
import type { SagaDefinition, StepDefinition } from './definition.ts'
import { isHandover, type SagaLease } from './lease.ts'
import type { StepRow } from './rows.ts'
import { BEGIN_STEPS, FAIL_STEPS, FINISH_STEP, LOOK_FENCE, RECORD_IMAGES, SELECT_STEPS } from './sagas-queries.ts'
import { checkStateWrite, targetOf, writeState, type StateImage, type StateWrite } from './state-steps.ts'
import type { DeleteStateStep, SagaContext, SagaStatus, SetStateStep } from './types.ts'

/** A saga as a runner takes it. */
export interface ClaimedSaga {
  readonly tenant: string
  readonly id: string
  readonly hash: string
  readonly fence: number
  readonly correlationId: string
  readonly status: SagaStatus
  readonly input: unknown
  readonly actorKind: Actor['kind']
  readonly actorId: string
  decision: 'commit' | 'rollback' | null
  preparedGid: string | null
  readonly compensatingForMs: number | null
}

export interface Attempt {
  readonly number: number
  readonly uncertain: boolean
}

/** The step failed for good: its saga compensates, or asks an operator. */
export class StepFailure extends Error {
  readonly step: StepDefinition

  constructor(step: StepDefinition, cause: unknown) {
    super(`Step ${step.name} failed.`, { cause })
    this.step = step
  }
}

interface SagaWorkParts {
  readonly sql: SqlEngine
  readonly state: StateService
  readonly lease: SagaLease
  readonly definition: SagaDefinition
  readonly claim: ClaimedSaga
}

/** One saga in the hands of this process: its rows, the contexts of its steps, and their attempts. */
export class SagaWork {
  readonly sql: SqlEngine
  readonly state: StateService
  readonly lease: SagaLease
  readonly definition: SagaDefinition
  readonly claim: ClaimedSaga
  readonly results: Record<string, unknown> = {}
  #rows = new Map<number, StepRow>()

  constructor({ sql, state, lease, definition, claim }: SagaWorkParts) {
    this.sql = sql
    this.state = state
    this.lease = lease
    this.definition = definition
    this.claim = claim
  }

  async load(): Promise<void> {
    const { rows } = await this.sql.query<StepRow>(this.lease.identity, SELECT_STEPS, [this.claim.tenant, this.claim.id])
    this.#rows = new Map(rows.map((row) => [row.number, row]))
    for (const row of rows) if (row.status === 'done') this.results[row.name] = row.result
  }

  row(step: StepDefinition): StepRow {
    return this.#rows.get(step.number) as StepRow
  }

  isFinished(step: StepDefinition): boolean {
    const { status } = this.row(step)
    return status === 'done' || status === 'skipped'
  }

  stepKey(step: StepDefinition): string {
    return `${this.claim.tenant}:${this.claim.id}:${step.number}`
  }

  context(step: StepDefinition, attempt: Attempt, signal: AbortSignal): SagaContext<never> {
    const { claim, lease, sql } = this
    return {
      sagaId: claim.id,
      sagaName: this.definition.name,
      correlationId: claim.correlationId,
      tenant: claim.tenant,
      actor: lease.identity.actor,
      identity: lease.identity,
      // What was stored for this definition; its type is the caller's.
      input: structuredClone(claim.input) as never,
      results: this.results,
      step: step.name,
      stepKey: this.stepKey(step),
      compensationKey: `${this.stepKey(step)}:undo`,
      attempt: attempt.number,
      uncertain: attempt.uncertain,
      signal,
      state: this.state,
      transaction: <T>(run: (session: SqlSession) => Promise<T>) =>
        sql.transaction(lease.identity, async (session) => {
          await lease.hold(session)
          return run(session)
        }),
    }
  }

  /**
   * Runs `work` until it succeeds or has failed for good; each attempt is recorded before and after. `ready` is asked
   * before anything is recorded; true means that there is nothing left to do. Throws StepFailure.
   */
  async attempt(steps: readonly StepDefinition[], work: (attempt: Attempt, timeoutMs: number) => Promise<void>, { endless = false, ready = () => Promise.resolve(false) } = {}): Promise<void> {
    const numbers = steps.map(({ number }) => number)
    const [first] = steps as [StepDefinition]
    const timeoutMs = steps.reduce((sum, step) => sum + step.timeoutMs, 0)
    const retries = Math.max(...steps.map((step) => step.retries))
    for (let tries = 1; ; tries++) {
      this.lease.stopping.throwIfAborted()
      if (await ready()) return
      const begun = await this.sql.query<{ attempts: number; uncertain: boolean }>(this.lease.identity, BEGIN_STEPS, [this.claim.tenant, this.claim.id, this.claim.fence, numbers])
      if (begun.rows.length === 0) {
        // Nothing to begin: taken over, or the answer of an earlier commit was lost.
        await this.lease.write(LOOK_FENCE)
        return this.load()
      }
      const attempt = { number: Math.max(...begun.rows.map((row) => row.attempts)), uncertain: begun.rows.some((row) => row.uncertain) }
      if (!endless && attempt.number > retries + 1) {
        throw new StepFailure(first, new CairnError('OUTCOME_UNKNOWN', `Step ${JSON.stringify(first.name)} was begun ${attempt.number - 1} times and each time cut off or refused.`, { details: { step: first.name } }))
      }
      try {
        return await work(attempt, timeoutMs)
      } catch (error) {
        if (isHandover(error)) throw error
        if (this.lease.signal.aborted) throw this.lease.signal.reason
        const { code, message } = describeError(error)
        if (await ready()) return
        if (isUncertain(error)) {
          // The commit, or the record, may have been made and only its answer lost.
          await this.load()
          if (steps.every((step) => this.isFinished(step))) return
        }
        await this.lease.note(FAIL_STEPS, [numbers, code, message, isUncertain(error)])
        if (!isRetryable(error) || (!endless && attempt.number > retries)) throw new StepFailure(isCairnError(error) ? this.#blamed(error, first) : first, error)
        await backoff(tries, this.lease.stopping)
      }
    }
  }

  async code(step: StepDefinition): Promise<void> {
    const given = step.step as { run(context: SagaContext<never>): unknown }
    await this.attempt([step], async (attempt, timeoutMs) => {
      const what = `Step ${JSON.stringify(step.name)}`
      const result = await withinLimit(what, timeoutMs, this.lease.signal, async (signal) => given.run(this.context(step, attempt, signal)))
      await this.finish(step, resultText(step, result))
    })
  }

  /** A step of state. With `endless`, errors that may pass are tried until they do. */
  async writeState(step: StepDefinition, endless = false): Promise<void> {
    await this.attempt(
      [step],
      async (attempt, timeoutMs) => {
        await this.load()
        const row = this.row(step)
        const planned = row.after as Partial<StateWrite>
        const revision = await withinLimit(`Step ${JSON.stringify(step.name)}`, timeoutMs, this.lease.signal, async (signal) => {
          const write = planned.agent === undefined ? this.planState(step, this.context(step, attempt, signal)) : (planned as StateWrite)
          return writeState({
            state: this.state,
            write,
            stepKey: this.stepKey(step),
            known: row.hasImage ? { image: row.before as StateImage, fresh: row.imageFresh } : undefined,
            keep: async (image) => {
              signal.throwIfAborted()
              await this.lease.write(RECORD_IMAGES, [step.number, targetOf(write), canonicalJson(image), canonicalJson(write), true])
            },
          })
        })
        await this.finish(step, JSON.stringify(revision), revision)
      },
      { endless },
    )
  }

  planState(step: StepDefinition, context: SagaContext<never>): StateWrite {
    const deletes = step.kind === 'state_delete'
    const given = deletes ? (step.step as DeleteStateStep<never>).deleteState : (step.step as SetStateStep<never>).setState
    return checkStateWrite(typeof given === 'function' ? given(context) : given, deletes)
  }

  async finish(step: StepDefinition, result: string, revision: number | null = null): Promise<void> {
    await this.lease.record(FINISH_STEP, [step.number, result, revision])
    this.results[step.name] = JSON.parse(result)
  }

  #blamed(error: CairnError, first: StepDefinition): StepDefinition {
    return this.definition.steps.find(({ name }) => name === error.details['step']) ?? first
  }
}

/** SERIALIZATION_ERROR for what is no JSON; the step has run by then. */
export function resultText(step: StepDefinition, result: unknown): string {
  try {
    return result === undefined ? 'null' : canonicalJson(result)
  } catch (error) {
    throw new CairnError('SERIALIZATION_ERROR', `The result of step ${JSON.stringify(step.name)} cannot be kept: ${describeError(error).message}`, { cause: error, details: { step: step.name, uncertain: true } })
  }
}
