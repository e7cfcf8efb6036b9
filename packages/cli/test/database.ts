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
  return { url: url.href, dispose: () => statement(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) }

  async function statement(text: string): Promise<void> {
    await using engine = { sql: await openPostgres({ url: admin }), [Symbol.asyncDispose]: () => engine.sql.close() }
    await engine.sql.query(OWNER, text)
  }
}
