import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { sqlTargets, type SqlTestDatabase } from '../../../core/test/harness/engines.ts'
import { EMPTY_TEMPLATE, copyFolder } from '../../../core/test/harness/templates.ts'
import { CliSandbox } from '../run-cli.ts'

let sandbox: CliSandbox
beforeAll(async () => {
  sandbox = await CliSandbox.make()
})
afterAll(() => sandbox.dispose())

const cairn = (env: Record<string, string>, ...args: string[]) => sandbox.run(['migrate', ...args], env)

describe.each(sqlTargets)('cairn migrate on $name', (target) => {
  let database: SqlTestDatabase
  let where: string[]
  let env: Record<string, string> = {}
  beforeAll(async () => {
    if (target.name === 'pglite') {
      // Making a database takes seconds; two are used.
      for (const name of ['data', 'other']) await copyFolder(join(inject('pgliteTemplate'), EMPTY_TEMPLATE), sandbox.path(name, 'pg'))
      where = ['--data-dir', sandbox.path('data')]
    } else {
      database = await target.open({ migrated: false })
      where = []
      env = { DATABASE_URL: database.url ?? '' }
    }
  })
  afterAll(() => database?.dispose())

  it('goes from nothing to the newest version and back, with exit codes and JSON that say so', async () => {
    const dry = await cairn(env, 'up', ...where, '--dry-run')
    expect(dry).toMatchObject({ code: 0 })
    expect(dry.stdout).toContain('CREATE SCHEMA agents;')
    expect(await cairn(env, 'status', ...where, '--exit-code')).toMatchObject({ code: 3, stdout: expect.stringMatching(/foundation\s+│ pending[^]*at nothing, \d+ pending/) })

    const up = await cairn(env, 'up', ...where)
    expect(up).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+ migrations applied in \d+ ms; the database is at \d+\.\d+\.\d+\.$/m) })
    expect(up.stderr).toMatch(/\[1\/\d+\] applying 0\.1\.0 000001_foundation\.sql/)
    if (target.name === 'postgres') expect(await cairn(env, 'up', ...where)).toMatchObject({ code: 0, stdout: 'The database is up to date.\n' })
    const status = JSON.parse((await cairn(env, 'status', ...where, '--exit-code', '--json')).stdout) as { pending: number; migrations: { state: string }[] }
    expect(status.pending).toBe(0)
    expect(new Set(status.migrations.map(({ state }) => state))).toEqual(new Set(['applied']))
    // The same commands once more on a directory would only take its time to open.
    if (target.name === 'pglite') return
    expect(await cairn(env, 'verify', ...where)).toMatchObject({ code: 0, stdout: 'The database and the migration files agree.\n' })

    // In a process of its own, which must end by itself.
    const refused = await sandbox.runAlone(['migrate', 'down', ...where], env)
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/There is no terminal to ask on: pass --yes/) })
    const planned = await cairn(env, 'down', ...where, '--to', '0', '--dry-run')
    expect(planned.stdout).toContain('DROP FUNCTION public.set_updated_at();')
    const down = JSON.parse((await cairn(env, 'down', ...where, '--to', '0', '--yes', '--json')).stdout) as { steps: object[]; current: null }
    expect(down).toMatchObject({ current: null, steps: { length: status.migrations.length } })
    expect(await cairn(env, 'down', ...where, '--yes')).toMatchObject({ code: 0, stdout: 'There is nothing to roll back.\n' })
  }, 120_000)

  it('ends with 1 and the file when one that is applied was edited, and with 2 for a name that is none', async () => {
    const dir = await mkdtemp(sandbox.path('migrations-'))
    const made = await cairn(env, 'new', 'first', '--dir', dir)
    expect(made).toMatchObject({ code: 0, stdout: `${join(dir, '000001_first.sql')}\n` })
    const own = target.name === 'pglite' ? ['--data-dir', sandbox.path('other')] : where
    expect(await cairn(env, 'up', ...own, '--dir', dir)).toMatchObject({ code: 0 })
    await writeFile(join(dir, '000001_first.sql'), `${await readFile(join(dir, '000001_first.sql'), 'utf8')}-- edited\n`)
    expect(await cairn(env, 'verify', ...own, '--dir', dir)).toMatchObject({ code: 1, stdout: expect.stringMatching(/MIGRATION_CHANGED: 000001_first\.sql/) })
    expect(await cairn(env, 'up', ...own, '--dir', dir, '--json')).toMatchObject({ code: 1, stdout: expect.stringMatching(/"code": "MIGRATION_CHANGED"/) })
    expect(await cairn(env, 'new', 'Not A Name', '--dir', dir)).toMatchObject({ code: 2, stderr: expect.stringContaining('INVALID_ARGUMENT') })
    expect(await readdir(dir)).toEqual(['000001_first.sql'])
  }, 120_000)
})

it('says how to reach the database when it cannot, without the password', async () => {
  const { code, stderr } = await cairn({}, 'up', '--postgres', 'postgres://me:s3cret@127.0.0.1:1/none')
  expect(code).toBe(1)
  expect(stderr).toMatch(/CONNECTION_FAILED: .*127\.0\.0\.1:1/)
  expect(stderr).not.toContain('s3cret')
})

it('ends with 2 for a flag that is wrong, before anything is opened', async () => {
  const none = ['--data-dir', sandbox.path('none')]
  expect(await cairn({}, 'down', ...none, '--steps', 'many')).toMatchObject({ code: 2, stderr: expect.stringContaining('whole number') })
  expect(await cairn({}, 'up', ...none, '--nonsense')).toMatchObject({ code: 2, stderr: expect.stringContaining('--nonsense') })
  expect(await readdir(sandbox.root)).not.toContain('none')
})

it('lists the exit codes in its help', async () => {
  expect(await cairn({}, 'status', '--help')).toMatchObject({ code: 0, stdout: expect.stringMatching(/Exit codes:[^]*3 {2}`status --exit-code`/) })
})
