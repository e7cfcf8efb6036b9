import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { inject } from 'vitest'
import { openPglite, openPostgres, type PgliteOptions, type PostgresEngineOptions, type SqlEngine } from '../../src/engines/sql/index.ts'
import { copyFolder, EMPTY_TEMPLATE, MIGRATED_TEMPLATE } from './templates.ts'

export interface OpenOptions {
  /** With all migrations applied. @default true */
  readonly migrated?: boolean
  /** More options for openPostgres, except where to connect to. */
  readonly postgres?: Omit<PostgresEngineOptions, 'url' | 'host' | 'port' | 'database' | 'user' | 'password'>
  /** More options for openPglite, except the folder. */
  readonly pglite?: Omit<PgliteOptions, 'dataDir'>
}

/** A database of its own, and what deletes it. */
export interface SqlTestDatabase {
  readonly engine: SqlEngine
  /** On PostgreSQL, to connect a second time. */
  readonly url?: string
  /** On PGlite, to open it again after `engine.close()`. */
  readonly dataDir?: string
  /** Closes the engine and deletes the database. */
  dispose(): Promise<void>
}

export interface SqlTarget {
  readonly name: 'pglite' | 'postgres'
  open(options?: OpenOptions): Promise<SqlTestDatabase>
}

/** Every SQL engine; tests loop over them: `describe.each(sqlTargets)('… on $name', …)`. */
export const sqlTargets: readonly SqlTarget[] = [
  { name: 'pglite', open: openPgliteTarget },
  { name: 'postgres', open: openPostgresTarget },
]

/** The nats-server that all test files share: use names of your own for streams and buckets. */
export function natsTarget(): { readonly url: string } {
  return { url: inject('natsUrl') }
}

/** `prefix` with a random end; fit for databases, buckets, streams and tenants. */
export function uniqueName(prefix: string): string {
  return `${prefix}_${randomUUID().replaceAll('-', '').slice(0, 16)}`
}

async function openPgliteTarget(options: OpenOptions = {}): Promise<SqlTestDatabase> {
  const template = join(inject('pgliteTemplate'), templateOf(options) ?? EMPTY_TEMPLATE)
  const root = await mkdtemp(join(tmpdir(), 'cairn-pglite-'))
  const dataDir = join(root, 'pg')
  await copyFolder(template, dataDir)
  const engine = await openPglite({ ...options.pglite, dataDir })
  return {
    engine,
    dataDir,
    async dispose() {
      await engine.close()
      await rm(root, { recursive: true, force: true })
    },
  }
}

async function openPostgresTarget(options: OpenOptions = {}): Promise<SqlTestDatabase> {
  const admin = inject('postgresUrl')
  const database = uniqueName('test')
  const template = templateOf(options)
  await runOnce(admin, `CREATE DATABASE ${database}${template === undefined ? '' : ` TEMPLATE ${template}`}`)
  const url = new URL(admin)
  url.pathname = `/${database}`
  const engine = await openPostgres({ ...options.postgres, url: url.href })
  return {
    engine,
    url: url.href,
    async dispose() {
      await engine.close()
      await runOnce(admin, `DROP DATABASE IF EXISTS ${database} WITH (FORCE)`)
    },
  }
}

function templateOf(options: OpenOptions): string | undefined {
  if (options.migrated === false) return undefined
  const problem = inject('templateError')
  if (problem !== '') throw new Error(`The migrations could not be applied, so there is no migrated database: ${problem}`)
  return MIGRATED_TEMPLATE
}

async function runOnce(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
