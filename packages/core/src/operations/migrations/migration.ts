export const MIGRATION_TYPES = ['schema', 'data', 'index', 'partition', 'function'] as const
export type MigrationType = (typeof MIGRATION_TYPES)[number]

/** A SQL section of a migration file. */
export interface MigrationScript {
  readonly sql: string
  /** Line of the file on which `sql` begins, from 1; to name the place of an error. */
  readonly line: number
}

/** One parsed migration file (S4 §10.1). */
export interface Migration {
  /** The number in the file name: 3 for `000003_state.sql`. */
  readonly number: number
  readonly file: string
  readonly version: string
  readonly name: string
  readonly description: string
  readonly type: MigrationType
  /** The version that must be applied before this one; null for the first migration. */
  readonly dependsOn: string | null
  /** A program that does not know this migration must not use a database that has it. */
  readonly breaking: boolean
  /** False: statement by statement outside a transaction; each statement must bear being run again after a crash. */
  readonly transactional: boolean
  /** The environments it is meant for; null for all. */
  readonly environments: readonly string[] | null
  /** SHA-256, in hex, of the whole file with its line ends as `\n`. */
  readonly checksum: string
  readonly up: MigrationScript
  /** Null when the migration cannot be rolled back. */
  readonly down: MigrationScript | null
}
