import type { SqlEngine } from '../../engines/sql/index.ts'
import { CairnError } from '../../errors/index.ts'
import { readHistory } from './history.ts'
import { loadMigrations } from './load-migrations.ts'
import { DEFAULT_ENVIRONMENT } from './migrate-options.ts'
import type { StatusOptions } from './migration-status.ts'
import { planUp } from './plan.ts'

/**
 * Resolves when this program can work on the database as it is. Migrations that it does not know are fine unless
 * they are marked as breaking.
 *
 * Errors: SCHEMA_OUTDATED, SCHEMA_TOO_NEW, MIGRATION_CHANGED, MIGRATION_INVALID.
 */
export async function assertSchemaUsable(engine: SqlEngine, options: StatusOptions = {}): Promise<void> {
  const migrations = options.migrations ?? (await loadMigrations())
  const pending = planUp(migrations, await readHistory(engine), options.environment ?? DEFAULT_ENVIRONMENT)
  if (pending.length === 0) return
  const versions = pending.map(({ version }) => version)
  const list = versions.length > 5 ? `${versions.slice(0, 5).join(', ')} and ${versions.length - 5} more` : versions.join(', ')
  throw new CairnError('SCHEMA_OUTDATED', `The database lacks the migrations ${list}. Run \`cairn migrate up\`.`, { details: { pending: versions } })
}
