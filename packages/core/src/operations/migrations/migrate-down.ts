import type { SqlEngine } from '../../engines/sql/index.ts'
import { CairnError } from '../../errors/index.ts'
import { OWNER } from '../../identity/index.ts'
import { SILENT_LOGGER } from '../../observability/index.ts'
import { describeFailure, migrationFailed, StepFailure } from './failure.ts'
import { hasEffects, type MigrationRecord, readHistory } from './history.ts'
import { DEFAULT_TABLE_LOCK_MS, DEFAULT_WAIT_MS, type MigrateDownOptions, type MigrateResult, type MigrationStep } from './migrate-options.ts'
import type { MigrationScript } from './migration.ts'
import { announceLock, oneAtATime, releaseSnapshot, withMigrationLock } from './migration-lock.ts'
import { planDown } from './plan.ts'
import { runStatements } from './run-statements.ts'
import { WRITE_PROGRESS, WRITE_ROLLBACK_FAILURE, WRITE_ROLLED_BACK } from './tracking-queries.ts'

/**
 * Rolls back, newest first, with the SQL that was stored when each migration was applied: an older program, which
 * has no file for it, can do it too. Rolling back everything leaves the schema `migrations` alone.
 *
 * Errors: MIGRATION_IRREVERSIBLE (before anything is touched), MIGRATION_FAILED, TIMEOUT, INVALID_ARGUMENT.
 */
export async function migrateDown(engine: SqlEngine, options: MigrateDownOptions = {}): Promise<MigrateResult> {
  if (options.to !== undefined && options.steps !== undefined) {
    throw new CairnError('INVALID_ARGUMENT', 'steps: give either `to` or `steps`, not both.', { details: { field: 'steps' } })
  }
  const history = await readHistory(engine)
  const plan = planDown(history, options)
  if (options.dryRun === true || plan.length === 0) {
    return { dryRun: options.dryRun === true, steps: plan.map((record) => step(record, 0)), current: newest(history) }
  }
  return oneAtATime(engine, async () => {
    // Two processes with `steps: 1` agree on the same migration; the later one finds it gone and does nothing.
    const versions = new Set(plan.map((record) => record.version))
    const steps: MigrationStep[] = []
    const withdraw = announceLock(engine)
    try {
      for (;;) {
        const done = await rollBackNext(engine, versions, options, { done: steps.length, total: plan.length })
        if (done === undefined) break
        steps.push(done)
      }
    } finally {
      await withdraw()
    }
    return { dryRun: false, steps, current: newest(await readHistory(engine)) }
  })
}

async function rollBackNext(
  engine: SqlEngine,
  versions: ReadonlySet<string>,
  options: MigrateDownOptions,
  counters: { readonly done: number; readonly total: number },
): Promise<MigrationStep | undefined> {
  const { waitMs = DEFAULT_WAIT_MS, tableLockMs = DEFAULT_TABLE_LOCK_MS, log = SILENT_LOGGER } = options
  let chosen: MigrationRecord | undefined
  const started = performance.now()
  try {
    const elsewhere = await withMigrationLock(engine, { waitMs, tableLockMs }, async (session) => {
      const record = (await readHistory(session)).findLast(hasEffects)
      if (record === undefined || !versions.has(record.version)) return undefined
      chosen = record
      options.onProgress?.({ ...progressOf(record), ...counters, state: 'started' })
      if (!record.is_transactional) {
        if (!engine.capabilities.concurrentTransactions) return record
        await releaseSnapshot(session)
        await rollBackByStatement(engine, record)
        return undefined
      }
      const script = scriptOf(record)
      try {
        await session.exec(script.sql)
      } catch (error) {
        throw new StepFailure(describeFailure(error, `${record.file_name} (down)`, script), error)
      }
      await session.query(WRITE_ROLLED_BACK, [record.version])
      return undefined
    })
    if (elsewhere !== undefined) await rollBackByStatement(engine, elsewhere)
  } catch (error) {
    if (chosen === undefined || !(error instanceof StepFailure)) throw error
    const { version, file_name: file } = chosen
    await engine.query(OWNER, WRITE_ROLLBACK_FAILURE, [version, error.message]).catch((cause: unknown) => {
      log.warn({ err: cause, version }, 'the failed rollback could not be recorded')
    })
    throw migrationFailed(error, 'down', { version, file })
  }
  if (chosen === undefined) return undefined
  const done = step(chosen, Math.round(performance.now() - started))
  options.onProgress?.({ ...progressOf(chosen), done: counters.done + 1, total: counters.total, state: 'done' })
  log.info({ version: done.version, file: done.file, executionMs: done.executionMs }, 'migration rolled back')
  return done
}

/** From the first statement on the migration counts as partly applied, so that either direction can go on after a crash. */
async function rollBackByStatement(engine: SqlEngine, record: MigrationRecord): Promise<void> {
  const { version, file_name: file } = record
  await engine.query(OWNER, WRITE_PROGRESS, [version, 'running', 0, null, 0])
  await runStatements(engine, { version, file: `${file} (down)`, direction: 'down', script: scriptOf(record), done: 0, resumed: true })
  await engine.query(OWNER, WRITE_ROLLED_BACK, [version])
}

function scriptOf(record: MigrationRecord): MigrationScript {
  return { sql: record.rollback_sql ?? '', line: 1 }
}

function progressOf({ version, name, file_name: file }: MigrationRecord) {
  return { direction: 'down' as const, version, name, file }
}

function step({ version, name, file_name: file, rollback_sql: sql, is_transactional: transactional }: MigrationRecord, executionMs: number): MigrationStep {
  return { direction: 'down', version, name, file, sql: sql ?? '', transactional, executionMs }
}

function newest(history: readonly MigrationRecord[]): string | null {
  return history.findLast((record) => record.status === 'completed')?.version ?? null
}
