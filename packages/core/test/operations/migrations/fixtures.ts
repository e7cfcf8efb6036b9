import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, onTestFinished } from 'vitest'
import type { SqlEngine } from '../../../src/engines/sql/index.ts'
import { OWNER } from '../../../src/identity/index.ts'
import { type Migration, parseMigration } from '../../../src/operations/migrations/index.ts'
import type { SqlTarget, SqlTestDatabase } from '../../harness/engines.ts'

export interface Draft {
  readonly number: number
  readonly name: string
  readonly up: string
  readonly down?: string | null
  /** More header lines, or others than the usual ones. */
  readonly header?: Readonly<Record<string, string>>
}

/** The text of a migration file whose version is `0.<number>.0`. */
export function fileOf({ number, name, up, down = 'SELECT 1;', header = {} }: Draft): { file: string; text: string } {
  const lines = {
    version: `0.${number}.0`,
    name,
    description: `does ${name}`,
    type: 'schema',
    depends_on: number === 1 ? '-' : `0.${number - 1}.0`,
    ...header,
  }
  const head = Object.entries(lines).map(([key, value]) => `--! ${key}: ${value}\n`)
  const tail = down === null ? '' : `\n--! down\n${down}\n`
  return { file: `${String(number).padStart(6, '0')}_${name}.sql`, text: `${head.join('')}\n--! up\n${up}\n${tail}` }
}

export function draft(given: Draft): Migration {
  const { file, text } = fileOf(given)
  return parseMigration(file, text)
}

/** A small chain: three tables, each of which refers to the one before. */
export function chain(): Migration[] {
  return [
    draft({ number: 1, name: 'first', up: 'CREATE SCHEMA shop; CREATE TABLE shop.a (id int PRIMARY KEY);', down: 'DROP SCHEMA shop CASCADE;' }),
    draft({ number: 2, name: 'second', up: 'CREATE TABLE shop.b (id int PRIMARY KEY, a int REFERENCES shop.a);', down: 'DROP TABLE shop.b;' }),
    draft({ number: 3, name: 'third', up: 'CREATE TABLE shop.c (b int REFERENCES shop.b);', down: 'DROP TABLE shop.c;' }),
  ]
}

/** One empty database for a test file: what a test has made of it is gone before the next. */
export function useEmptied(target: SqlTarget): () => SqlTestDatabase {
  let database: SqlTestDatabase
  beforeAll(async () => {
    database = await target.open({ migrated: false })
  })
  afterEach(() => database.engine.transaction(OWNER, (session) => session.exec('DROP SCHEMA IF EXISTS shop CASCADE; DROP SCHEMA IF EXISTS migrations CASCADE')))
  afterAll(() => database?.dispose())
  return () => database
}

/** A directory with these files, deleted when the test has ended. */
export async function directoryOf(files: Readonly<Record<string, string>>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'cairn-migrations-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  await mkdir(dir, { recursive: true })
  for (const [file, text] of Object.entries(files)) await writeFile(join(dir, file), text)
  return dir
}

export async function exists(engine: SqlEngine, relation: string): Promise<boolean> {
  const { rows } = await engine.query<{ found: boolean }>(OWNER, 'SELECT to_regclass($1) IS NOT NULL AS found', [relation])
  return rows[0]?.found === true
}

export async function records(engine: SqlEngine): Promise<{ version: string; status: string; attempts: number; error_message: string | null }[]> {
  const { rows } = await engine.query<{ version: string; status: string; attempts: number; error_message: string | null }>(
    OWNER,
    'SELECT version, status, attempts, error_message FROM migrations.applied_migrations ORDER BY sequence',
  )
  return rows
}
