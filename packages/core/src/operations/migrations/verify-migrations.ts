import type { SqlEngine } from '../../engines/sql/index.ts'
import { catalogSnapshot } from './catalog-snapshot.ts'
import { readHistory } from './history.ts'
import { DEFAULT_ENVIRONMENT } from './migrate-options.ts'
import { loadMigrations } from './load-migrations.ts'
import type { StatusOptions } from './migration-status.ts'
import { findProblems, type MigrationProblem } from './plan.ts'

export interface VerifyOptions extends StatusOptions {
  /** What `catalogSnapshot(engine, { rangePartitions: false })` gave for a database known to be right; a difference is a problem of kind `catalog`. */
  readonly catalog?: string
}

export interface VerifyResult {
  readonly ok: boolean
  readonly problems: readonly MigrationProblem[]
}

/**
 * Compares the database with the migration files: edited files, files that are gone, wrong order, missing
 * dependencies, newer breaking migrations, failed attempts. Pending migrations are no problem. Changes nothing.
 *
 * Throws MIGRATION_INVALID when the files themselves are malformed.
 */
export async function verifyMigrations(engine: SqlEngine, options: VerifyOptions = {}): Promise<VerifyResult> {
  const migrations = options.migrations ?? (await loadMigrations())
  const problems = findProblems(migrations, await readHistory(engine), options.environment ?? DEFAULT_ENVIRONMENT)
  if (options.catalog !== undefined) {
    const difference = firstDifference(options.catalog, await catalogSnapshot(engine, { rangePartitions: false }))
    if (difference !== undefined) {
      problems.push({ kind: 'catalog', code: 'CONSISTENCY_VIOLATION', version: '', file: '', message: `The catalog was changed by hand: ${difference}` })
    }
  }
  return { ok: problems.length === 0, problems }
}

function firstDifference(expected: string, actual: string): string | undefined {
  const [left, right] = [expected.trimEnd().split('\n'), actual.trimEnd().split('\n')]
  const inLeft = new Set(left)
  const inRight = new Set(right)
  const missing = left.find((line) => !inRight.has(line))
  if (missing !== undefined) return `"${missing}" is missing.`
  const extra = right.find((line) => !inLeft.has(line))
  return extra === undefined ? undefined : `"${extra}" is there but should not be.`
}
