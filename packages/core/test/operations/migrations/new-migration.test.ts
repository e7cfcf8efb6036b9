import { readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { expect, it } from 'vitest'
import { loadMigrations, newMigration } from '../../../src/operations/migrations/index.ts'
import { directoryOf } from './fixtures.ts'

it('writes a migration with the next number and version that builds on the last', async () => {
  const dir = await directoryOf({})
  expect(basename(await newMigration(dir, 'first_steps'))).toBe('000001_first_steps.sql')
  expect(basename(await newMigration(dir, 'more'))).toBe('000002_more.sql')
  expect(await loadMigrations(dir)).toMatchObject([
    { version: '0.1.0', name: 'first_steps', dependsOn: null },
    { version: '0.2.0', name: 'more', dependsOn: '0.1.0' },
  ])
})

it.each(['', 'With Space', '../escape', 'UPPER', 'a__b', 'x'.repeat(101)])('refuses the name %j', async (name) => {
  await expect(newMigration(await directoryOf({}), name)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})

it('refuses a name that stands already, and a directory whose files are malformed', async () => {
  const dir = await directoryOf({})
  const path = await newMigration(dir, 'first')
  await expect(newMigration(dir, 'first')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('000001_first.sql') })
  await writeFile(join(dir, '000002_bad.sql'), (await readFile(path, 'utf8')).replace('name: first', 'name: bad'))
  await expect(newMigration(dir, 'third')).rejects.toMatchObject({ code: 'MIGRATION_INVALID', details: { file: '000002_bad.sql' } })
})
