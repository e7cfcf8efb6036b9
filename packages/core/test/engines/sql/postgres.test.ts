import pg from 'pg'
import { until } from '../../harness/cairns.ts'
import { sqlTargets } from '../../harness/engines.ts'
import { sqlConformance, type ConformanceHooks } from './sql-conformance.ts'

const target = sqlTargets.find(({ name }) => name === 'postgres')
if (target === undefined) throw new Error('the harness has no PostgreSQL')

const hooks: ConformanceHooks = {
  open: target.open,
  async sever({ url }) {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    // Ended in the list of what is selected: as a condition, it may be looked at before the others, and hit everybody.
    const { rows } = await client.query<{ pid: number }>('SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()')
    // Later they would break what comes next.
    await until('they are gone', async () => (await client.query('SELECT FROM pg_stat_activity WHERE pid = ANY ($1::int[])', [rows.map(({ pid }) => pid)])).rowCount === 0)
    await client.end()
  },
}

sqlConformance('PostgreSQL', hooks)

// The identity of every statement is then local to its transaction, and nothing is prepared.
sqlConformance('PostgreSQL in the way that a pooler needs', {
  ...hooks,
  open: (options) => target.open({ ...options, postgres: { pgbouncer: true } }),
})
