import pg from 'pg'
import { sqlTargets } from '../../harness/engines.ts'
import { sqlConformance } from './sql-conformance.ts'

const target = sqlTargets.find(({ name }) => name === 'postgres')
if (target === undefined) throw new Error('the harness has no PostgreSQL')

sqlConformance('PostgreSQL', {
  open: target.open,
  async sever({ url }) {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()')
    await client.end()
  },
})
