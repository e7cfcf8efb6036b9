import { inject } from 'vitest'
import { openPostgres } from '@cairn/core/internal'
import { uniqueName } from '../../core/test/harness/engines.ts'

const OWNER = { role: 'owner' } as const

/** An empty database of its own on the shared PostgreSQL. */
export async function makeDatabase(): Promise<{ readonly url: string; dispose(): Promise<void> }> {
  const name = uniqueName('cli')
  const admin = inject('postgresUrl')
  await statement(`CREATE DATABASE ${name}`)
  const url = new URL(admin)
  url.pathname = `/${name}`
  return { url: url.href, dispose: drop }

  // A pool that was ended closes its sockets a little later; a connection ended by force under it would be its error.
  async function drop(): Promise<void> {
    const open = `SELECT count(*)::int AS open FROM pg_stat_activity WHERE datname = '${name}'`
    const end = Date.now() + 5_000
    while (Date.now() < end && Number((await statement(open))[0]?.['open']) > 0) await new Promise((resolve) => setTimeout(resolve, 20))
    await statement(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
  }

  async function statement(text: string): Promise<readonly Record<string, unknown>[]> {
    await using engine = { sql: await openPostgres({ url: admin }), [Symbol.asyncDispose]: () => engine.sql.close() }
    return (await engine.sql.query<Record<string, unknown>>(OWNER, text)).rows
  }
}
