import { CairnError, isCairnError } from '../../errors/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { describeError, withinLimit } from './attempts.ts'
import type { StepDefinition } from './definition.ts'
import { type Attempt, resultText, type SagaWork } from './saga-work.ts'
import { FINISH_STEP, FINISH_STEP_UNLOCKED, RECORD_IMAGES, RECORD_IMAGES_UNLOCKED } from './sagas-queries.ts'
import { deleteRows, insertRow, type SqlEffect, updateRows } from './sql-steps.ts'
import type { DeleteStep, InsertStep, SagaContext, TransactionStep, UpdateStep } from './types.ts'

const CONFLICT_TRIES = 3

interface SqlWorkOptions {
  /** Leaves the row of the saga free: the transaction will be prepared, not committed. */
  readonly unlocked?: boolean
  /** Runs last in the transaction. */
  readonly last?: (session: SqlSession, context: SagaContext<never>) => Promise<void>
}

/**
 * Runs steps of SQL and records them, in one REPEATABLE READ transaction that commits only while this process holds the
 * saga (S4 §5.4); then the check of the definition. The whole function runs again after a conflict.
 */
export async function runSql(work: SagaWork, steps: readonly StepDefinition[], attempt: Attempt, timeoutMs: number, { unlocked = false, last }: SqlWorkOptions = {}): Promise<void> {
  const { definition, lease } = work
  await inTransaction(work, `Step ${JSON.stringify(steps[0]?.name)}`, timeoutMs, unlocked, async (session, signal) => {
    const results: Record<string, unknown> = {}
    let context: SagaContext<never> | undefined
    for (const step of steps) {
      context = { ...work.context(step, attempt, signal), results: { ...work.results, ...results } }
      const text = await blaming(step, () => perform(work, session, step, context as SagaContext<never>, unlocked))
      await lease.write(unlocked ? FINISH_STEP_UNLOCKED : FINISH_STEP, [step.number, text, null], session)
      results[step.name] = JSON.parse(text)
    }
    const seen = { ...(context as SagaContext<never>), results: { ...work.results, ...results } }
    await check(definition.check, session, seen)
    await last?.(session, seen)
    return results
  }).then((results) => Object.assign(work.results, results))
}

/** A transaction of the saga: bounded in time, so that a frozen process does not hold its rows for ever. */
export function inTransaction<T>(work: SagaWork, what: string, timeoutMs: number, unlocked: boolean, run: (session: SqlSession, signal: AbortSignal) => Promise<T>): Promise<T> {
  const { lease, sql } = work
  // On PGlite a time limit of a statement costs a restart; there is nobody else to wait for, either.
  const server = sql.kind === 'postgres'
  return sql.transaction(
    lease.identity,
    (session) =>
      withinLimit(what, timeoutMs, lease.signal, async (signal) => {
        if (server) await session.query(`SELECT set_config('idle_in_transaction_session_timeout', $1, true)`, [String(timeoutMs)])
        await lease.hold(session, unlocked)
        return run(session, signal)
      }),
    { isolation: 'repeatable read', attempts: CONFLICT_TRIES, ...(server ? { timeoutMs } : {}) },
  )
}

async function perform(work: SagaWork, session: SqlSession, step: StepDefinition, context: SagaContext<never>, unlocked: boolean): Promise<string> {
  if (step.kind === 'transaction') return resultText(step, await (step.step as TransactionStep<never>).transaction(session, context))
  const effect = await change(work, session, step, context)
  await work.lease.write(unlocked ? RECORD_IMAGES_UNLOCKED : RECORD_IMAGES, [step.number, effect.target, effect.before, effect.after, true], session)
  return resultText(step, effect.result)
}

async function change(work: SagaWork, session: SqlSession, { kind, step }: StepDefinition, context: SagaContext<never>): Promise<SqlEffect> {
  const { tenant } = work.claim
  const given = <Spec>(spec: Spec | ((context: SagaContext<never>) => Spec)): Spec => (typeof spec === 'function' ? (spec as (context: SagaContext<never>) => Spec)(context) : spec)
  if (kind === 'sql_insert') return insertRow(session, tenant, given((step as InsertStep<never>).insert))
  if (kind === 'sql_update') return updateRows(session, tenant, given((step as UpdateStep<never>).update))
  return deleteRows(session, tenant, given((step as DeleteStep<never>).delete))
}

/** Names the step in what goes wrong, as several share a transaction. */
async function blaming<T>(step: StepDefinition, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!isCairnError(error)) throw error
    throw new CairnError(error.code, error.message, { cause: error, details: { ...error.details, step: step.name } })
  }
}

async function check(hook: SagaWork['definition']['check'], session: SqlSession, context: SagaContext<never>): Promise<void> {
  if (hook === undefined) return
  let why = 'it returned false'
  try {
    if ((await hook(session, context)) !== false) return
  } catch (error) {
    if (isCairnError(error) && error.retryable) throw error
    why = describeError(error).message
  }
  throw new CairnError('SAGA_CHECK_FAILED', `The check of the saga ${JSON.stringify(context.sagaName)} refused what its SQL steps did: ${why}. They were rolled back.`, { details: { sagaId: context.sagaId } })
}
