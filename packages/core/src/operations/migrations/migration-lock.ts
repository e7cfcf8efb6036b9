import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import type { SqlEngine, SqlSession } from '../../engines/sql/index.ts'
import { CairnError } from '../../errors/index.ts'
import { OWNER } from '../../identity/index.ts'
import { hasTracking } from './history.ts'
import { ANNOUNCE_LOCK, READ_LOCK, STILL_RUNNING, TRANSACTION_LIMITS, TRY_LOCK, WITHDRAW_LOCK } from './tracking-queries.ts'

/** No migration statement is cut off by a pool's own limit: one day. */
export const STATEMENT_LIMIT_MS = 86_400_000
/** How each statement begins that runs outside the transaction of the lock. */
export const STATEMENT_MARK = '/* cairn migration '
const HEARTBEAT_MS = 5_000
const BUSY = Symbol('busy')

export interface LockOptions {
  /** How long to wait for another process that migrates. */
  readonly waitMs: number
  /** How long one statement may wait for a table in use; longer waits would hold up all of the application. */
  readonly tableLockMs: number
}

/**
 * Runs `work` in a transaction that holds the one migration lock of this database. The lock is the
 * transaction's, so that it ends with it, whatever happens to this process.
 *
 * Waiting is asking again: a session that waits inside `pg_advisory_xact_lock` keeps a snapshot, and
 * CREATE INDEX CONCURRENTLY in the process that has the lock would wait for that snapshot for ever. For the same
 * reason the lock is let go again while the server still works on a statement for a process that died: it may
 * have begun to wait for the end of this very transaction.
 *
 * Throws TIMEOUT after `waitMs`.
 */
export async function withMigrationLock<T>(engine: SqlEngine, options: LockOptions, work: (session: SqlSession) => Promise<T>): Promise<T> {
  const started = performance.now()
  for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 1.5, 500)) {
    let orphan: number | undefined
    const outcome = await engine.transaction<{ value: T } | typeof BUSY>(
      OWNER,
      async (session) => {
        const { rows } = await session.query<{ locked: boolean }>(TRY_LOCK)
        if (rows[0]?.locked !== true) return BUSY
        orphan = await orphanOf(engine, session)
        if (orphan !== undefined) return BUSY
        await session.exec(`${TRANSACTION_LIMITS} SET LOCAL lock_timeout = ${Math.ceil(options.tableLockMs)};`)
        return { value: await work(session) }
      },
      { timeoutMs: STATEMENT_LIMIT_MS },
    )
    if (outcome !== BUSY) return outcome.value
    if (performance.now() - started > options.waitMs) throw orphan === undefined ? await stillLocked(engine, options.waitMs) : stillRunning(orphan)
    await delay(pauseMs * (0.5 + Math.random()))
  }
}

/** Who holds the lock finds no other statement of a migration but one whose client is gone, which the server notices only when it answers. */
async function orphanOf({ capabilities }: SqlEngine, session: SqlSession): Promise<number | undefined> {
  return capabilities.concurrentTransactions ? (await session.query<{ pid: number }>(STILL_RUNNING, [STATEMENT_MARK])).rows[0]?.pid : undefined
}

function stillRunning(pid: number): CairnError {
  return new CairnError('TIMEOUT', `The server still runs a statement of a migration for a process that died (backend ${pid}). Wait, or end it with pg_terminate_backend(${pid}).`, { details: { pid } })
}

/**
 * To be called before statements run on other connections while this one holds the lock: its last query keeps a
 * snapshot as long as its portal is open, and CREATE INDEX CONCURRENTLY waits for old snapshots. A statement sent
 * without parameters closes the portal.
 */
export function releaseSnapshot(session: SqlSession): Promise<void> {
  return session.exec('SELECT 1')
}

async function stillLocked(engine: SqlEngine, waitMs: number): Promise<CairnError> {
  const holder = (await readLock(engine))?.locked_by
  const who = holder === undefined ? 'another process' : `process ${holder}`
  return new CairnError('TIMEOUT', `The migration lock was not free within ${waitMs} ms: ${who} migrates this database. Try again when it has ended.`, {
    details: { waitMs, holder },
  })
}

export interface LockRow {
  readonly locked_by: string
  readonly locked_at: Date
  readonly heartbeat_at: Date
  readonly expires_at: Date
}

/** Who migrates now, as far as it has said so. */
export async function readLock(engine: SqlEngine): Promise<LockRow | undefined> {
  if (!(await hasTracking(engine))) return undefined
  const { rows } = await engine.query<LockRow>(OWNER, READ_LOCK)
  return rows.find((row) => row.expires_at.getTime() > Date.now())
}

/**
 * Shows in migrations.locks who holds the lock, with a heartbeat; the returned function withdraws it and is to be
 * called after the lock was released. For people only: nothing decides by this row. An engine with a single
 * connection has no other process to tell.
 */
export function announceLock(engine: SqlEngine): () => Promise<void> {
  if (!engine.capabilities.concurrentTransactions) return async () => {}
  const holder = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`
  const say = () => engine.query(OWNER, ANNOUNCE_LOCK, [holder]).then(() => {}, () => {})
  let said = say()
  const timer = setInterval(() => {
    said = said.then(say)
  }, HEARTBEAT_MS)
  return async () => {
    clearInterval(timer)
    await said
    await engine.query(OWNER, WITHDRAW_LOCK, [holder]).catch(() => {})
  }
}

const running = new WeakMap<SqlEngine, Promise<unknown>>()

/** Runs one migration call of this process after the other: an engine with one connection cannot use the lock for it. */
export function oneAtATime<T>(engine: SqlEngine, work: () => Promise<T>): Promise<T> {
  const before = running.get(engine) ?? Promise.resolve()
  const result = before.then(work, work)
  running.set(engine, result.catch(() => {}))
  return result
}
