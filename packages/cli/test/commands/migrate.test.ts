import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { sqlTargets, type SqlTestDatabase } from '../../../core/test/harness/engines.ts'
import { EMPTY_TEMPLATE, copyFolder } from '../../../core/test/harness/templates.ts'
import { NODE_FLAGS } from '../../../core/test/harness/node-flags.ts'

const PROGRAM = fileURLToPath(new URL('../fixtures/migrate-program.ts', import.meta.url))

interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

function cairn(env: Record<string, string>, ...args: string[]): Promise<Outcome> {
  const { DATABASE_URL: _, ...rest } = process.env
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [...NODE_FLAGS, PROGRAM, 'migrate', ...args], { env: { ...rest, ...env } }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err })
    })
    child.stdin?.end()
  })
}

describe.each(sqlTargets)('cairn migrate on $name', (target) => {
  let database: SqlTestDatabase
  let where: string[]
  let env: Record<string, string> = {}
  let root: string
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'cairn-cli-'))
    if (target.name === 'pglite') {
      // Making a database takes seconds; two are used.
      for (const name of ['data', 'other']) await copyFolder(join(inject('pgliteTemplate'), EMPTY_TEMPLATE), join(root, name, 'pg'))
      where = ['--data-dir', join(root, 'data')]
    } else {
      database = await target.open({ migrated: false })
      where = []
      env = { DATABASE_URL: database.url ?? '' }
    }
  })
  afterAll(async () => {
    await database?.dispose()
    await rm(root, { recursive: true, force: true })
  })

  it('goes from nothing to the newest version and back, with exit codes and JSON that say so', async () => {
    const dry = await cairn(env, 'up', ...where, '--dry-run')
    expect(dry).toMatchObject({ code: 0 })
    expect(dry.out).toContain('CREATE SCHEMA agents;')
    expect(await cairn(env, 'status', ...where, '--exit-code')).toMatchObject({ code: 3, out: expect.stringMatching(/foundation\s+│ pending[^]*at nothing, \d+ pending/) })

    const up = await cairn(env, 'up', ...where)
    expect(up).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+ migrations applied in \d+ ms; the database is at \d+\.\d+\.\d+\.$/m) })
    expect(up.err).toMatch(/\[1\/\d+\] applying 0\.1\.0 000001_foundation\.sql/)
    if (target.name === 'postgres') expect(await cairn(env, 'up', ...where)).toMatchObject({ code: 0, out: 'The database is up to date.\n' })
    const status = JSON.parse((await cairn(env, 'status', ...where, '--exit-code', '--json')).out) as { pending: number; migrations: { state: string }[] }
    expect(status.pending).toBe(0)
    expect(new Set(status.migrations.map(({ state }) => state))).toEqual(new Set(['applied']))
    // The same commands once more on a directory would only take its time to open.
    if (target.name === 'pglite') return
    expect(await cairn(env, 'verify', ...where)).toMatchObject({ code: 0, out: 'The database and the migration files agree.\n' })

    const refused = await cairn(env, 'down', ...where)
    expect(refused).toMatchObject({ code: 2, err: expect.stringMatching(/There is no terminal to ask on: pass --yes/) })
    const planned = await cairn(env, 'down', ...where, '--to', '0', '--dry-run')
    expect(planned.out).toContain('DROP FUNCTION public.set_updated_at();')
    const down = JSON.parse((await cairn(env, 'down', ...where, '--to', '0', '--yes', '--json')).out) as { steps: object[]; current: null }
    expect(down).toMatchObject({ current: null, steps: { length: status.migrations.length } })
    expect(await cairn(env, 'down', ...where, '--yes')).toMatchObject({ code: 0, out: 'There is nothing to roll back.\n' })
  }, 120_000)

  it('ends with 1 and the file when one that is applied was edited, and with 2 for wrong usage', async () => {
    const dir = await mkdtemp(join(root, 'migrations-'))
    const made = await cairn(env, 'new', 'first', '--dir', dir)
    expect(made).toMatchObject({ code: 0, out: `${join(dir, '000001_first.sql')}\n` })
    const own = target.name === 'pglite' ? ['--data-dir', join(root, 'other')] : where
    expect(await cairn(env, 'up', ...own, '--dir', dir)).toMatchObject({ code: 0 })
    await writeFile(join(dir, '000001_first.sql'), `${await readFile(join(dir, '000001_first.sql'), 'utf8')}-- edited\n`)
    expect(await cairn(env, 'verify', ...own, '--dir', dir)).toMatchObject({ code: 1, out: expect.stringMatching(/MIGRATION_CHANGED: 000001_first\.sql/) })
    expect(await cairn(env, 'up', ...own, '--dir', dir, '--json')).toMatchObject({ code: 1, out: expect.stringMatching(/"code": "MIGRATION_CHANGED"/) })
    expect(await cairn(env, 'down', ...own, '--steps', 'many')).toMatchObject({ code: 2, err: expect.stringContaining('whole number') })
    expect(await cairn(env, 'up', ...own, '--nonsense')).toMatchObject({ code: 2, err: expect.stringContaining('--nonsense') })
    expect(await cairn(env, 'new', 'Not A Name', '--dir', dir)).toMatchObject({ code: 2, err: expect.stringContaining('INVALID_ARGUMENT') })
    expect(await readdir(dir)).toEqual(['000001_first.sql'])
  }, 120_000)
})

it('says how to reach the database when it cannot, without the password', async () => {
  const { code, err } = await cairn({}, 'up', '--postgres', 'postgres://me:s3cret@127.0.0.1:1/none')
  expect(code).toBe(1)
  expect(err).toMatch(/CONNECTION_FAILED: .*127\.0\.0\.1:1/)
  expect(err).not.toContain('s3cret')
})

it('lists the exit codes in its help', async () => {
  expect(await cairn({}, 'status', '--help')).toMatchObject({ code: 0, out: expect.stringMatching(/Exit codes:[^]*3 {2}`status --exit-code`/) })
})
