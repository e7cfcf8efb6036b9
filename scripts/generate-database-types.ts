import { catalogSnapshot } from '../packages/core/src/operations/migrations/index.ts'
import { databaseTypes } from './database-types.ts'
import type { GeneratedFile } from './generated-file.ts'
import { withMigratedDatabase } from './migrated-database.ts'

/** kysely's types and the snapshot of the catalog, both from a database that was just migrated. */
export async function generateDatabaseTypes(): Promise<GeneratedFile[]> {
  return withMigratedDatabase(async (engine) => [
    { path: 'packages/core/src/generated/database.ts', content: await databaseTypes(engine) },
    // The partitions of range-partitioned tables depend on the day.
    { path: 'packages/core/test/schema.snapshot.txt', content: await catalogSnapshot(engine, { rangePartitions: false }) },
  ])
}
