import pg from 'pg'
import { CairnError, isCairnError } from '../../errors/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { MAINTENANCE, type TenantIdentity } from '../../identity/index.ts'
import type { StepDefinition } from './definition.ts'
import { isHandover } from './lease.ts'
import { type SagaWork, StepFailure } from './saga-work.ts'
import { DATABASE_OID, DECIDE_COMMIT, LIST_PREPARED, RECORD_PREPARED, SELECT_FENCE } from './sagas-queries.ts'
import { runSql } from './sql-work.ts'

const NO_SUCH_OBJECT = '42704'
const IN_TRANSACTION = '25001'
const GID = /^cairn:(\d+):(\d+):(\d+):([^:]+):(.+)$/

interface Prepared {
  readonly gid: string
  readonly fence: number
  readonly tenant: string
  readonly sagaId: string
}

/** @throws CAPABILITY_MISSING where PostgreSQL prepares no transactions. */
export function assertTwoPhase(sql: SqlEngine): void {
  if (sql.capabilities.preparedTransactions) return
  const remedy = sql.kind === 'pglite' ? 'PGlite has none: use a PostgreSQL server' : 'Set max_prepared_transactions in postgresql.conf (as high as max_connections) and restart the server'
  throw new CairnError('CAPABILITY_MISSING', `strategy: two_phase_commit needs prepared transactions, and this database does not have them. ${remedy}, or choose saga_pattern or eventual_consistency.`, { details: { capability: 'preparedTransactions', engine: sql.kind } })
}

/** SQL prepared → state written → decision recorded → SQL committed. What the decision says is done, by whichever process. */
export async function runTwoPhase(work: SagaWork, sqlSteps: readonly StepDefinition[], stateSteps: readonly StepDefinition[]): Promise<void> {
  const { claim, lease } = work
  if (claim.decision !== 'commit') {
    await work.attempt(
      sqlSteps,
      async (attempt, timeoutMs) => {
        const gid = await gidOf(work, attempt.number)
        // Before anything is prepared that could not be ended: this fails where connections are not this process's own.
        await endPrepared(work.sql, lease.identity, 'ROLLBACK', gid)
        await runSql(work, sqlSteps, attempt, timeoutMs, { unlocked: true, last: (session) => session.exec(`PREPARE TRANSACTION ${pg.escapeLiteral(gid)}`) })
        try {
          await lease.write(RECORD_PREPARED, [gid])
          claim.preparedGid = gid
        } catch (error) {
          if (isHandover(error)) await endPrepared(work.sql, lease.identity, 'ROLLBACK', gid)
          throw error
        }
      },
      // One that nobody recorded belongs to an attempt that was cut off, and holds the rows that the next one needs.
      { ready: () => clearUnrecorded(work) },
    )
    for (const step of stateSteps) if (!work.isFinished(step)) await work.writeState(step)
    await lease.write(DECIDE_COMMIT)
    claim.decision = 'commit'
  }
  const committed = await endPrepared(work.sql, lease.identity, 'COMMIT', claim.preparedGid as string)
  await work.load()
  if (committed || sqlSteps.every((step) => work.row(step).status === 'done')) return
  throw new StepFailure(sqlSteps[0] as StepDefinition, new CairnError('CONSISTENCY_VIOLATION', `The prepared transaction ${claim.preparedGid} is gone without having been committed: somebody rolled it back by hand.`, { details: { gid: claim.preparedGid } }))
}

/** Undoes the SQL side before the decision to commit. */
export async function rollbackPrepared(work: SagaWork): Promise<void> {
  for (const { gid } of await preparedOf(work)) await endPrepared(work.sql, work.lease.identity, 'ROLLBACK', gid)
}

/**
 * Rolls back what processes that died or lost their saga left prepared. What is recorded in its saga is not touched: the
 * next runner of the saga decides. Returns how many.
 */
export async function sweepPrepared(sql: SqlEngine): Promise<number> {
  let swept = 0
  for (const prepared of await listPrepared(sql)) {
    const identity: TenantIdentity = { role: 'application', tenant: prepared.tenant, actor: { kind: 'system', id: 'sagas' } }
    const { rows } = await sql.query<{ fence: number; status: string; preparedGid: string | null }>(identity, SELECT_FENCE, [prepared.tenant, prepared.sagaId])
    const saga = rows[0]
    const stale = saga === undefined || (saga.preparedGid !== prepared.gid && (saga.fence > prepared.fence || !['pending', 'running', 'compensating'].includes(saga.status)))
    if (stale && (await endPrepared(sql, identity, 'ROLLBACK', prepared.gid))) swept++
  }
  return swept
}

async function clearUnrecorded(work: SagaWork): Promise<boolean> {
  const { claim } = work
  const { rows } = await work.sql.query<{ preparedGid: string | null }>(work.lease.identity, SELECT_FENCE, [claim.tenant, claim.id])
  claim.preparedGid = rows[0]?.preparedGid ?? null
  for (const { gid, fence } of await preparedOf(work)) {
    if (gid !== claim.preparedGid && fence <= claim.fence) await endPrepared(work.sql, work.lease.identity, 'ROLLBACK', gid)
  }
  return claim.preparedGid !== null
}

async function preparedOf({ sql, claim }: SagaWork): Promise<Prepared[]> {
  return (await listPrepared(sql)).filter(({ tenant, sagaId }) => tenant === claim.tenant && sagaId === claim.id)
}

async function listPrepared(sql: SqlEngine): Promise<Prepared[]> {
  const { rows } = await sql.query<{ gid: string; databaseOid: number }>(MAINTENANCE, LIST_PREPARED)
  return rows.flatMap(({ gid, databaseOid }) => {
    const [, oid, fence, , tenant, sagaId] = GID.exec(gid) ?? []
    return oid === String(databaseOid) && tenant !== undefined && sagaId !== undefined ? [{ gid, fence: Number(fence), tenant, sagaId }] : []
  })
}

/** Unique on the server: the name of the database, the hold and the attempt are in it. At most 199 of the 200 bytes. */
async function gidOf({ sql, claim, lease }: SagaWork, attempt: number): Promise<string> {
  const { rows } = await sql.query<{ oid: number }>(lease.identity, DATABASE_OID)
  return `cairn:${rows[0]?.oid}:${claim.fence}:${attempt}:${claim.tenant}:${claim.id}`
}

/** False when there is no such transaction any more. */
async function endPrepared(sql: SqlEngine, identity: TenantIdentity, how: 'COMMIT' | 'ROLLBACK', gid: string): Promise<boolean> {
  try {
    await sql.query(identity, `${how} PREPARED ${pg.escapeLiteral(gid)}`)
    return true
  } catch (error) {
    if (isCairnError(error) && error.details['sqlState'] === NO_SUCH_OBJECT) return false
    if (isCairnError(error) && error.details['sqlState'] === IN_TRANSACTION) {
      throw new CairnError('CAPABILITY_MISSING', 'strategy: two_phase_commit needs connections of its own to PostgreSQL: behind a pooler that gives out transactions, a prepared one cannot be ended.', { cause: error })
    }
    throw error
  }
}
