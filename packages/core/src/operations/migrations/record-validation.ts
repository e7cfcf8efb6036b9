import type { SqlEngine } from '../../engines/sql/index.ts'
import { OWNER } from '../../identity/index.ts'
import { WRITE_VALIDATION } from './tracking-queries.ts'

/** The outcome of a test of one migration (S4 §10.1). */
export interface MigrationValidation {
  /** A version that is or was applied. */
  readonly version: string
  readonly testName: string
  readonly testType: 'unit' | 'integration' | 'performance' | 'rollback'
  readonly status: 'passed' | 'failed' | 'skipped' | 'error'
  readonly error?: string
  readonly executionMs?: number
}

/** Keeps the outcome in migrations.validation_results. Throws CONSTRAINT_VIOLATION for a version that was never applied. */
export async function recordValidation(engine: SqlEngine, validation: MigrationValidation): Promise<void> {
  const { version, testName, testType, status, error, executionMs } = validation
  await engine.query(OWNER, WRITE_VALIDATION, [version, testName, testType, status, error ?? null, executionMs ?? null])
}
