import { CairnError } from '../../errors/index.ts'
import { hasEffects, type MigrationRecord } from './history.ts'
import type { Migration } from './migration.ts'
import { compareVersions, isVersion } from './version.ts'

/** A place where the database and the migration files disagree. */
export interface MigrationProblem {
  readonly kind: 'changed' | 'missing' | 'out-of-order' | 'dependency' | 'too-new' | 'failed' | 'catalog'
  readonly code: 'MIGRATION_CHANGED' | 'MIGRATION_INVALID' | 'SCHEMA_TOO_NEW' | 'MIGRATION_FAILED' | 'CONSISTENCY_VIOLATION'
  readonly version: string
  readonly file: string
  readonly message: string
}

/** Compares files and records. Everything found here, except `failed`, keeps `migrateUp` from running. */
export function findProblems(migrations: readonly Migration[], history: readonly MigrationRecord[], environment: string): MigrationProblem[] {
  const problems: MigrationProblem[] = []
  const files = new Map(migrations.map((migration) => [migration.version, migration]))
  const newestFile = migrations.at(-1)?.version
  const applied = history.filter(hasEffects)
  const newestApplied = applied.findLast((record) => files.has(record.version))?.version
  for (const record of applied) {
    const { version, file_name: file } = record
    const migration = files.get(version)
    if (migration === undefined && newestFile !== undefined && compareVersions(version, newestFile) < 0) {
      problems.push({
        kind: 'missing', code: 'MIGRATION_INVALID', version, file,
        message: `${file}: the database has migration ${version}, but its file is gone. Put it back.`,
      })
    } else if (migration === undefined && record.is_breaking) {
      problems.push({
        kind: 'too-new', code: 'SCHEMA_TOO_NEW', version, file,
        message: `The database has the breaking migration ${version} (${file}), which this program does not know. Update this program.`,
      })
    } else if (migration !== undefined && record.status === 'completed' && migration.checksum !== record.sql_hash) {
      problems.push({
        kind: 'changed', code: 'MIGRATION_CHANGED', version, file: migration.file,
        message: `${migration.file} was edited after migration ${version} had been applied. Put the file back as it was and add a new migration for the change.`,
      })
    }
    if (record.depends_on_version !== null && !applied.some((other) => other.version === record.depends_on_version)) {
      problems.push({
        kind: 'dependency', code: 'MIGRATION_INVALID', version, file,
        message: `${file}: migration ${version} is applied, but ${record.depends_on_version}, which it builds on, is not.`,
      })
    }
  }
  const known = new Set(applied.map((record) => record.version))
  for (const { version, file } of forEnvironment(migrations, environment)) {
    if (known.has(version) || newestApplied === undefined || compareVersions(version, newestApplied) > 0) continue
    problems.push({
      kind: 'out-of-order', code: 'MIGRATION_INVALID', version, file,
      message: `${file}: version ${version} is not applied, although the newer ${newestApplied} is. Give the file a number and a version above it.`,
    })
  }
  for (const { status, version, file_name: file, error_message } of history) {
    if (status !== 'failed') continue
    problems.push({ kind: 'failed', code: 'MIGRATION_FAILED', version, file, message: `${file}: the last attempt failed: ${error_message}` })
  }
  return problems
}

/** The migrations to apply, oldest first. Throws the first problem. */
export function planUp(migrations: readonly Migration[], history: readonly MigrationRecord[], environment: string, to?: string): Migration[] {
  throwFirst(findProblems(migrations, history, environment))
  const last = to === undefined ? undefined : migrations.find((migration) => migration.version === to)
  if (to !== undefined && last === undefined) {
    const versions = migrations.map((migration) => migration.version).join(', ')
    throw new CairnError('INVALID_ARGUMENT', `to: there is no migration ${to}. There are: ${versions}.`, { details: { field: 'to' } })
  }
  const done = new Set(history.filter((record) => record.status === 'completed').map((record) => record.version))
  return forEnvironment(migrations, environment).filter(
    ({ version }) => !done.has(version) && (last === undefined || compareVersions(version, last.version) <= 0),
  )
}

/**
 * The records to roll back, newest first: the newest `steps`, or all above version `to` (`0` rolls back everything).
 * Throws INVALID_ARGUMENT, or MIGRATION_IRREVERSIBLE before anything is rolled back.
 */
export function planDown(history: readonly MigrationRecord[], target: { readonly to?: string; readonly steps?: number }): MigrationRecord[] {
  const applied = history.filter(hasEffects).reverse()
  const { to, steps = 1 } = target
  if (to !== undefined && to !== '0' && !(isVersion(to) && applied.some((record) => record.version === to))) {
    throw new CairnError('INVALID_ARGUMENT', `to: migration ${to} is not applied. Name an applied version to keep, or 0 to roll back everything.`, {
      details: { field: 'to' },
    })
  }
  if (to === undefined && !(Number.isInteger(steps) && steps >= 1)) {
    throw new CairnError('INVALID_ARGUMENT', `steps: ${steps} is not a whole number of at least 1.`, { details: { field: 'steps' } })
  }
  const plan = to === undefined ? applied.slice(0, steps) : applied.filter((record) => to === '0' || compareVersions(record.version, to) > 0)
  const fixed = plan.find((record) => record.rollback_sql === null)
  if (fixed !== undefined) {
    throw new CairnError(
      'MIGRATION_IRREVERSIBLE',
      `${fixed.file_name}: migration ${fixed.version} has no "--! down" section. Nothing was rolled back; restore a backup, or go no further than ${fixed.version}.`,
      { details: { version: fixed.version, file: fixed.file_name } },
    )
  }
  return plan
}

export function forEnvironment(migrations: readonly Migration[], environment: string): Migration[] {
  return migrations.filter(({ environments }) => environments === null || environments.includes(environment))
}

function throwFirst(problems: readonly MigrationProblem[]): void {
  const problem = problems.find(({ kind }) => kind !== 'failed')
  if (problem === undefined) return
  throw new CairnError(problem.code, problem.message, { details: { version: problem.version, file: problem.file } })
}
