import { openPglite, type SqlEngine } from '../packages/core/src/engines/sql/index.ts'
import { migrateUp } from '../packages/core/src/operations/migrations/index.ts'

/** Runs `work` on a database in memory that has all migrations and nothing else. */
export async function withMigratedDatabase<T>(work: (engine: SqlEngine) => Promise<T>): Promise<T> {
  const engine = await openPglite({ dataDir: 'memory://' })
  try {
    await migrateUp(engine)
    return await work(engine)
  } finally {
    await engine.close()
  }
}
