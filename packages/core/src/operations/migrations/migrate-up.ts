import type { SqlEngine, SqlSession } from '../../engines/sql/index.ts'
import { OWNER } from '../../identity/index.ts'
import { SILENT_LOGGER } from '../../observability/index.ts'
import { describeFailure, migrationFailed, StepFailure } from './failure.ts'
import { hasTracking, type MigrationRecord, readHistory, type RecordStatus } from './history.ts'
import { loadMigrations } from './load-migrations.ts'
import {
  DEFAULT_ENVIRONMENT, DEFAULT_TABLE_LOCK_MS, DEFAULT_WAIT_MS, type MigrateResult, type MigrateUpOptions, type MigrationStep,
} from './migrate-options.ts'
import type { Migration } from './migration.ts'
import { announceLock, type LockOptions, oneAtATime, releaseSnapshot, withMigrationLock } from './migration-lock.ts'
import { planUp } from './plan.ts'
import { runStatements } from './run-statements.ts'
import { CREATE_TRACKING, WRITE_PROGRESS, WRITE_RECORD } from './tracking-queries.ts'

/**
 * Applies all migrations that the database lacks, oldest first (S4 §10.2). Any number of processes may call it at
 * once: each migration is applied by one of them, and all return when the database is up to date. A migration and
 * its record are one transaction; non-transactional ones are recorded statement by statement and continue where a
 * crashed run stopped.
 *
 * Errors: MIGRATION_INVALID, MIGRATION_CHANGED, MIGRATION_FAILED, SCHEMA_TOO_NEW, TIMEOUT, INVALID_ARGUMENT.
 */
export async function migrateUp(engine: SqlEngine, options: MigrateUpOptions = {}): Promise<MigrateResult> {
  const { environment = DEFAULT_ENVIRONMENT, to } = options
  const migrations = options.migrations ?? (await loadMigrations())
  const before = await readHistory(engine)
  const plan = planUp(migrations, before, environment, to)
  if (options.dryRun === true || plan.length === 0) {
    return { dryRun: options.dryRun === true, steps: plan.map((migration) => step(migration, 0)), current: newest(before) }
  }
  return oneAtATime(engine, async () => {
    await ensureTracking(engine, limits(options))
    const steps: MigrationStep[] = []
    const withdraw = announceLock(engine)
    try {
      for (;;) {
        const done = await applyNext(engine, migrations, options, { done: steps.length, total: plan.length })
        if (done === undefined) break
        steps.push(done)
      }
    } finally {
      await withdraw()
    }
    return { dryRun: false, steps, current: newest(await readHistory(engine)) }
  })
}

/** Makes the runner's own tables; the lock comes before any DDL, so that many processes may start on an empty database. */
async function ensureTracking(engine: SqlEngine, lock: LockOptions): Promise<void> {
  if (await hasTracking(engine)) return
  await withMigrationLock(engine, lock, (session) => session.exec(CREATE_TRACKING))
}

interface Counters {
  readonly done: number
  readonly total: number
}

/** One migration, chosen anew under the lock, since another process may have applied some meanwhile. */
async function applyNext(
  engine: SqlEngine,
  migrations: readonly Migration[],
  options: MigrateUpOptions,
  counters: Counters,
): Promise<MigrationStep | undefined> {
  const { environment = DEFAULT_ENVIRONMENT, to, log = SILENT_LOGGER } = options
  let chosen: { migration: Migration; record: MigrationRecord | undefined } | undefined
  const started = performance.now()
  try {
    const elsewhere = await withMigrationLock(engine, limits(options), async (session) => {
      const history = await readHistory(session)
      const migration = planUp(migrations, history, environment, to)[0]
      if (migration === undefined) return undefined
      chosen = { migration, record: history.find((record) => record.version === migration.version) }
      options.onProgress?.({ ...progressOf(migration), ...counters, state: 'started' })
      if (migration.transactional) {
        await applyInTransaction(session, migration, options)
        return undefined
      }
      if (!engine.capabilities.concurrentTransactions) return chosen
      await releaseSnapshot(session)
      await applyByStatement(engine, migration, chosen.record, options)
      return undefined
    })
    // With a single connection the transaction above had to end first; there is no other process either.
    if (elsewhere !== undefined) await applyByStatement(engine, elsewhere.migration, elsewhere.record, options)
  } catch (error) {
    if (chosen === undefined || !(error instanceof StepFailure)) throw error
    const { migration } = chosen
    await recordFailure(engine, migration, options, error, elapsed(started)).catch((cause: unknown) => {
      log.warn({ err: cause, version: migration.version }, 'the failed attempt could not be recorded')
    })
    throw migrationFailed(error, 'up', { version: migration.version, file: migration.file })
  }
  if (chosen === undefined) return undefined
  const done = step(chosen.migration, elapsed(started))
  options.onProgress?.({ ...progressOf(chosen.migration), done: counters.done + 1, total: counters.total, state: 'done' })
  log.info({ version: done.version, file: done.file, executionMs: done.executionMs }, 'migration applied')
  return done
}

async function applyInTransaction(session: SqlSession, migration: Migration, options: MigrateUpOptions): Promise<void> {
  const started = performance.now()
  try {
    await session.exec(migration.up.sql)
  } catch (error) {
    throw new StepFailure(describeFailure(error, migration.file, migration.up), error)
  }
  await session.query(WRITE_RECORD, recordValues(migration, options, 'completed', 0, null, elapsed(started)))
}

async function applyByStatement(engine: SqlEngine, migration: Migration, record: MigrationRecord | undefined, options: MigrateUpOptions): Promise<void> {
  const resumed = record !== undefined && record.status !== 'rolled_back'
  const done = resumed && record.sql_hash === migration.checksum ? record.statements_done : 0
  await engine.query(OWNER, WRITE_RECORD, recordValues(migration, options, 'running', done, null, resumed ? record.execution_time_ms : 0))
  const { version, file, up: script } = migration
  await runStatements(engine, { version, file, direction: 'up', script, done, resumed })
  await engine.query(OWNER, WRITE_PROGRESS, [version, 'completed', 0, null, 0])
}

/** In a transaction of its own, since that of the migration was rolled back. A non-transactional one has its row already. */
async function recordFailure(engine: SqlEngine, migration: Migration, options: MigrateUpOptions, failure: StepFailure, ms: number): Promise<void> {
  if (migration.transactional) await engine.query(OWNER, WRITE_RECORD, recordValues(migration, options, 'failed', 0, failure.message, ms))
  else await engine.query(OWNER, WRITE_PROGRESS, [migration.version, 'failed', failure.statementsDone, failure.message, 0])
}

function recordValues(m: Migration, options: MigrateUpOptions, status: RecordStatus, statementsDone: number, error: string | null, ms: number): unknown[] {
  return [
    m.version, m.number, m.file, m.name, m.description, m.type, m.checksum, m.dependsOn, m.down?.sql ?? null, m.transactional, m.breaking,
    status, statementsDone, error, ms, options.applicationVersion ?? null, options.environment ?? DEFAULT_ENVIRONMENT,
  ]
}

function limits({ waitMs = DEFAULT_WAIT_MS, tableLockMs = DEFAULT_TABLE_LOCK_MS }: MigrateUpOptions): LockOptions {
  return { waitMs, tableLockMs }
}

function progressOf({ version, name, file }: Migration) {
  return { direction: 'up' as const, version, name, file }
}

function step({ version, name, file, up, transactional }: Migration, executionMs: number): MigrationStep {
  return { direction: 'up', version, name, file, sql: up.sql, transactional, executionMs }
}

function newest(history: readonly MigrationRecord[]): string | null {
  return history.findLast((record) => record.status === 'completed')?.version ?? null
}

function elapsed(started: number): number {
  return Math.round(performance.now() - started)
}
