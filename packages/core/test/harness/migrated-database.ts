import pg from 'pg'
import { openPostgres, type SqlEngine } from '../../src/engines/sql/index.ts'
import { migrateUp } from '../../src/operations/migrations/index.ts'
import { MIGRATED_TEMPLATE } from './templates.ts'

/** Makes the database MIGRATED_TEMPLATE with all migrations on the server of `url`. */
export async function makeMigratedDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`CREATE DATABASE ${MIGRATED_TEMPLATE}`)
  await client.end()
  const own = new URL(url)
  own.pathname = `/${MIGRATED_TEMPLATE}`
  await migrateAndClose(await openPostgres({ url: own.href }))
}

export async function migrateAndClose(engine: SqlEngine): Promise<void> {
  try {
    await migrateUp(engine)
  } finally {
    await engine.close()
  }
}
