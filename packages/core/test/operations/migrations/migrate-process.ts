/** A program of its own, so that tests can run many at once and kill them: `migrate-process.ts URL [DIRECTORY]`. */
import { openPostgres } from '../../../src/engines/sql/index.ts'
import { loadMigrations, migrateUp } from '../../../src/operations/migrations/index.ts'

const [url = '', dir] = process.argv.slice(2)
const engine = await openPostgres({ url })
try {
  const { steps } = await migrateUp(engine, { migrations: await loadMigrations(dir) })
  console.log(JSON.stringify(steps.map(({ version }) => version)))
} finally {
  await engine.close()
}
