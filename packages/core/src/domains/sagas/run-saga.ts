import { describeError } from './attempts.ts'
import { compensate } from './compensation.ts'
import { isSqlKind, isStateKind } from './definition.ts'
import { canonicalJson } from '../../state/index.ts'
import { type SagaWork, StepFailure } from './saga-work.ts'
import { DECIDE_COMMIT, MARK_COMPENSATING, MARK_ENDED, MARK_MANUAL, MARK_RUNNING, RECORD_IMAGES } from './sagas-queries.ts'
import { runSql } from './sql-work.ts'
import { targetOf } from './state-steps.ts'
import { runTwoPhase } from './two-phase.ts'

/** Brings a claimed saga to its end, or to an operator. Rejects when this process cannot go on with it. */
export async function runSaga(work: SagaWork): Promise<void> {
  const { claim, lease } = work
  await work.load()
  if (claim.status === 'compensating') return compensate(work)
  if (claim.status === 'pending') await lease.write(MARK_RUNNING)
  try {
    await forward(work)
  } catch (error) {
    if (!(error instanceof StepFailure)) throw error
    return failed(work, error)
  }
  await lease.close()
  await lease.write(MARK_ENDED, ['completed'])
}

async function failed(work: SagaWork, { step, cause }: StepFailure): Promise<void> {
  const { claim, lease } = work
  const { code, message } = describeError(cause)
  // What has been decided is not taken back: the rest is for an operator.
  if (claim.decision === 'commit') {
    await lease.close()
    await lease.write(MARK_MANUAL, [code, message, step.number])
    return
  }
  await lease.write(MARK_COMPENSATING, [code, message, step.number])
  await compensate(work)
}

async function forward(work: SagaWork): Promise<void> {
  const { steps, strategy } = work.definition
  const sqlSteps = steps.filter(({ kind }) => isSqlKind(kind))
  const stateSteps = steps.filter(({ kind }) => isStateKind(kind))
  if (strategy === 'two_phase_commit') return runTwoPhase(work, sqlSteps, stateSteps)
  if (strategy === 'eventual_consistency') {
    if (work.claim.decision !== 'commit') await commitFirst(work)
    for (const step of stateSteps) if (!work.isFinished(step)) await work.writeState(step, true)
    return
  }
  for (const step of steps) {
    if (work.isFinished(step)) continue
    if (step.kind === 'code') await work.code(step)
    else if (isStateKind(step.kind)) await work.writeState(step)
    else await work.attempt([step], (attempt, timeoutMs) => runSql(work, [step], attempt, timeoutMs))
  }
}

/** All SQL, the plan of what state will be, and the decision: one transaction. The planned rows are the outbox (S4 §5.4). */
async function commitFirst(work: SagaWork): Promise<void> {
  const { claim, definition, lease } = work
  await work.attempt(
    definition.steps.filter(({ kind }) => isSqlKind(kind)),
    async (attempt, timeoutMs) => {
      const sqlSteps = definition.steps.filter(({ kind }) => isSqlKind(kind))
      await runSql(work, sqlSteps, attempt, timeoutMs, {
        last: async (session, context) => {
          for (const step of definition.steps.filter(({ kind }) => isStateKind(kind))) {
            const planned = work.planState(step, { ...context, step: step.name, stepKey: work.stepKey(step), compensationKey: `${work.stepKey(step)}:undo` })
            await lease.write(RECORD_IMAGES, [step.number, targetOf(planned), '{}', canonicalJson(planned), false], session)
          }
          await lease.write(DECIDE_COMMIT, [], session)
        },
      })
    },
  )
  claim.decision = 'commit'
  await work.load()
}
