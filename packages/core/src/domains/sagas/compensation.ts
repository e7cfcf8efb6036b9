import { CairnError } from '../../errors/index.ts'
import { backoff, describeError, isRetryable, withinLimit } from './attempts.ts'
import { isSqlKind, isStateKind, type StepDefinition } from './definition.ts'
import { isHandover } from './lease.ts'
import type { StepRow } from './rows.ts'
import type { Attempt, SagaWork } from './saga-work.ts'
import { BEGIN_COMPENSATION, FAIL_COMPENSATION, FINISH_COMPENSATION, FINISH_STATE_COMPENSATION, LOOK_FENCE, MARK_ENDED, MARK_MANUAL, NOTE_COMPENSATION_ERROR } from './sagas-queries.ts'
import { restoreRows } from './sql-steps.ts'
import { inTransaction } from './sql-work.ts'
import { restoreState, type StateImage, type StateWrite } from './state-steps.ts'
import { rollbackPrepared } from './two-phase.ts'
import type { CodeStep, TransactionStep } from './types.ts'

/**
 * Undoes the steps that are done, and those that may be, the last one first; each is recorded. What cannot be undone
 * leaves the saga to an operator: COMPENSATION_FAILED (S4 §5.4).
 */
export async function compensate(work: SagaWork): Promise<void> {
  const { definition, lease } = work
  const began = performance.now() - (work.claim.compensatingForMs ?? 0)
  if (definition.strategy === 'two_phase_commit') await rollbackPrepared(work)
  await work.load()
  for (const step of [...definition.steps].reverse()) {
    if (!needsCompensation(work.row(step), step)) continue
    const failure = await undoStep(work, step, began)
    if (failure === undefined) continue
    const { code, message } = describeError(failure)
    await lease.write(FAIL_COMPENSATION, [step.number, code, message])
    await lease.close()
    const error = new CairnError('COMPENSATION_FAILED', `Step ${JSON.stringify(step.name)} could not be compensated (${code}): ${message}`)
    await lease.write(MARK_MANUAL, [error.code, describeError(error).message, step.number])
    return
  }
  await lease.close()
  await lease.write(MARK_ENDED, ['compensated'])
}

/** A step of SQL is done when its row says so; others may have been cut off before they could say. */
function needsCompensation(row: StepRow, { kind }: StepDefinition): boolean {
  if (row.status === 'done' || row.status === 'compensating') return true
  const cutOff = row.status === 'running' || (row.status === 'failed' && row.uncertain)
  return cutOff && (kind === 'code' || (isStateKind(kind) && row.hasImage))
}

/** Undefined when it is undone, else why it is not. */
async function undoStep(work: SagaWork, step: StepDefinition, began: number): Promise<unknown> {
  const { compensation, compensationTimeoutMs } = work.definition
  const wasDone = work.row(step).status === 'done' || work.row(step).kvRevision !== null
  for (let tries = 1; ; tries++) {
    work.lease.stopping.throwIfAborted()
    const left = compensationTimeoutMs - (performance.now() - began)
    const begun = await work.lease.note<{ attempts: number }>(BEGIN_COMPENSATION, [step.number])
    const attempts = begun.rows[0]?.attempts
    if (attempts === undefined) {
      await work.lease.write(LOOK_FENCE)
      return undefined
    }
    const attempt = { number: attempts, uncertain: !wasDone }
    if (left <= 0) return new CairnError('TIMEOUT', `The compensation as a whole did not end within ${compensationTimeoutMs} ms.`)
    if (attempt.number > compensation.retries + 1) return new CairnError('OUTCOME_UNKNOWN', `It was begun ${attempt.number - 1} times and each time cut off or refused.`)
    try {
      await undo(work, step, attempt, Math.min(left, compensation.timeoutMs))
      return undefined
    } catch (error) {
      if (isHandover(error)) throw error
      if (work.lease.signal.aborted) throw work.lease.signal.reason
      // A commit whose answer was lost is no failure, and must not be made a second time.
      await work.load()
      if (work.row(step).status === 'compensated') return undefined
      if (!isRetryable(error) || attempt.number > compensation.retries) return error
      const { code, message } = describeError(error)
      await work.lease.write(NOTE_COMPENSATION_ERROR, [step.number, code, message])
      await backoff(tries, work.lease.stopping)
    }
  }
}

async function undo(work: SagaWork, step: StepDefinition, attempt: Attempt, timeoutMs: number): Promise<void> {
  const { claim, lease } = work
  const what = `The compensation of step ${JSON.stringify(step.name)}`
  if (isSqlKind(step.kind)) {
    await inTransaction(work, what, timeoutMs, false, async (session, signal) => {
      if (step.kind === 'transaction') await (step.step as TransactionStep<never>).compensateTransaction?.(session, work.context(step, attempt, signal))
      else await restoreRows(session, claim.tenant, claim.id, step.number)
      await lease.write(FINISH_COMPENSATION, [step.number], session)
    })
    return
  }
  if (step.kind === 'code') {
    await withinLimit(what, timeoutMs, lease.signal, async (signal) => (step.step as CodeStep<never>).compensate?.(work.context(step, attempt, signal)))
    await lease.record(FINISH_COMPENSATION, [step.number])
    return
  }
  await work.load()
  const { before, after, kvRevision } = work.row(step)
  const image = before as StateImage
  const revision = await withinLimit(what, timeoutMs, lease.signal, () =>
    restoreState(work.state, after as StateWrite, image, kvRevision ?? undefined, `${work.stepKey(step)}:undo:${kvRevision ?? 'unknown'}`),
  )
  await lease.record(FINISH_STATE_COMPENSATION, [step.number, image.revision, revision])
}
