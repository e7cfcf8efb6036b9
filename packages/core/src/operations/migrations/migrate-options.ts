import type { Logger } from '../../observability/index.ts'
import type { Migration } from './migration.ts'

/** What `migrateUp` and `migrateDown` have in common. */
export interface MigrateOptions {
  /** Return the steps with their SQL and change nothing. @default false */
  readonly dryRun?: boolean
  /** Called before each step and after it. */
  readonly onProgress?: (event: MigrationProgress) => void
  /** @default silent */
  readonly log?: Logger
  /** How long to wait for another process that migrates. @default 600_000 */
  readonly waitMs?: number
  /**
   * How long a statement may wait for a table that others use. A longer wait ends in MIGRATION_FAILED, since
   * everybody else would queue behind it. @default 30_000
   */
  readonly tableLockMs?: number
}

export interface MigrateUpOptions extends MigrateOptions {
  /** The last version to apply. @default the newest */
  readonly to?: string
  /** Recorded with each migration. */
  readonly applicationVersion?: string
  /** Recorded with each migration; migrations that name environments run only in those. @default 'production' */
  readonly environment?: string
  /** @default the migrations of this package */
  readonly migrations?: readonly Migration[]
}

export interface MigrateDownOptions extends MigrateOptions {
  /** The newest version to keep; `0` rolls back everything. Not together with `steps`. */
  readonly to?: string
  /** How many migrations to roll back. @default 1 */
  readonly steps?: number
}

export interface MigrationStep {
  readonly direction: 'up' | 'down'
  readonly version: string
  readonly name: string
  readonly file: string
  readonly sql: string
  readonly transactional: boolean
  /** Milliseconds; 0 in a dry run. */
  readonly executionMs: number
}

export interface MigrateResult {
  readonly dryRun: boolean
  /** What this call did; what another process did at the same time is not in it. */
  readonly steps: readonly MigrationStep[]
  /** The newest version in the database afterwards (in a dry run: now); null when there is none. */
  readonly current: string | null
}

export interface MigrationProgress {
  readonly state: 'started' | 'done'
  readonly direction: 'up' | 'down'
  readonly version: string
  readonly name: string
  readonly file: string
  /** Steps done by this call so far, and the steps there were when it began. */
  readonly done: number
  readonly total: number
}

export const DEFAULT_WAIT_MS = 600_000
export const DEFAULT_TABLE_LOCK_MS = 30_000
export const DEFAULT_ENVIRONMENT = 'production'
