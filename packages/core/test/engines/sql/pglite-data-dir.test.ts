import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest'
import { openPglite } from '../../../src/engines/sql/index.ts'
import { lockDataDir } from '../../../src/engines/sql/pglite/pglite-lock.ts'
import { CairnError } from '../../../src/errors/index.ts'
import { OWNER } from '../../../src/identity/index.ts'
import { copyFolder, EMPTY_TEMPLATE } from '../../harness/templates.ts'
import { runChild } from './child.ts'

// Each start of a process or of a database takes seconds where many want the processor.
vi.setConfig({ testTimeout: 120_000 })

let root: string
let dataDir: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'cairn-dir-'))
  dataDir = join(root, 'pg')
})
afterEach(() => rm(root, { recursive: true, force: true }))

/** No process has an id that large. */
const deadOwner = () => ({ pid: 2 ** 22 + 1, startTime: '1', boot: '', host: hostname(), token: 'dead' })
const fromTemplate = () => copyFolder(join(inject('pgliteTemplate'), EMPTY_TEMPLATE), dataDir)
const errorOf = (run: Promise<unknown>) =>
  run.then(
    () => undefined,
    (error: unknown) => error as CairnError,
  )

const HOLD = `
  const engine = await openPglite({ dataDir: args[0] })
  await engine.query(OWNER, 'CREATE TABLE IF NOT EXISTS kept (n int)')
  for (let n = 1; ; n += 1) {
    await engine.query(OWNER, 'INSERT INTO kept VALUES ($1)', [n])
    console.log('row ' + n + ';')
  }`

test('a second process is told which process has the directory; when that one was killed, everything committed is there', async () => {
  await fromTemplate()
  for (const round of [1, 2]) {
    const child = runChild(HOLD, dataDir)
    await child.printed('row 20;')
    expect(await errorOf(openPglite({ dataDir }))).toMatchObject({
      code: 'DATA_DIR_LOCKED',
      message: expect.stringContaining(`process ${child.pid}`) as string,
      details: { pid: child.pid },
    })
    await child.kill9()
    const acknowledged = [...child.output().matchAll(/row (\d+);/g)].length

    const engine = await openPglite({ dataDir })
    const { rows } = await engine.query<{ n: number }>(OWNER, 'SELECT count(*) AS n FROM kept')
    expect(rows[0]?.n).toBeGreaterThanOrEqual(acknowledged)
    await engine.query(OWNER, 'DELETE FROM kept')
    await engine.close()
    expect(existsSync(`${dataDir}.lock`), `round ${round}`).toBe(false)
  }
})

test('the same process is told that it has the directory itself, and may open it after closing', async () => {
  await fromTemplate()
  const engine = await openPglite({ dataDir })
  expect(await errorOf(openPglite({ dataDir }))).toMatchObject({ code: 'DATA_DIR_LOCKED', message: expect.stringContaining('this process') as string })
  await engine.close()
  await (await openPglite({ dataDir })).close()
})

test('of many that find the lock of a dead process, one takes it, and gives it back', async () => {
  const lock = join(root, 'lock')
  for (const content of [JSON.stringify(deadOwner()), 'half writ']) {
    await writeFile(lock, content)
    const results = await Promise.all(Array.from({ length: 20 }, () => lockDataDir(lock, root).catch((error: unknown) => error as CairnError)))
    const winners = results.filter((result) => typeof result === 'function')
    const losers = results.filter((result) => result instanceof CairnError && result.code === 'DATA_DIR_LOCKED')
    expect([winners.length, losers.length]).toEqual([1, 19])
    await winners[0]?.()
    expect(await readdir(root)).toEqual([])
  }
})

test('many processes that find the lock of a dead one: one at a time has the directory', async () => {
  await fromTemplate()
  await writeFile(`${dataDir}.lock`, JSON.stringify(deadOwner()))
  const script = `
    try { const engine = await openPglite({ dataDir: args[0] }); console.log('opened'); setInterval(() => {}, 1000) }
    catch (error) { console.log(error.code) }`
  const children = Array.from({ length: 4 }, () => runChild(script, dataDir))
  await Promise.all(children.map((child) => Promise.any([child.printed('opened'), child.printed('DATA_DIR_LOCKED')])))
  const said = children.map((child) => child.output().trim()).sort()
  await Promise.all(children.map((child) => child.kill9()))
  expect(said).toEqual(['DATA_DIR_LOCKED', 'DATA_DIR_LOCKED', 'DATA_DIR_LOCKED', 'opened'])
})

test('a lock of another machine is respected, and the message says what to do when that machine is gone', async () => {
  await fromTemplate()
  await writeFile(`${dataDir}.lock`, JSON.stringify({ pid: 1, startTime: '1', boot: 'x', host: 'elsewhere', token: 't' }))
  const error = await errorOf(openPglite({ dataDir }))
  expect(error).toMatchObject({ code: 'DATA_DIR_LOCKED', message: expect.stringContaining(`delete ${dataDir}.lock`) as string })
})

test('the id of a dead process that now belongs to another does not keep the directory locked', async () => {
  await fromTemplate()
  const lock = { pid: process.ppid, startTime: 'not its start', boot: '', host: hostname(), token: 't' }
  await writeFile(`${dataDir}.lock`, JSON.stringify(lock))
  await (await openPglite({ dataDir })).close()
})

test('a first start that is killed leaves nothing that hinders the next', async () => {
  const child = runChild(`openPglite({ dataDir: args[0], onProgress: console.log })`, dataDir)
  await child.printed('making the database')
  await child.kill9()
  expect(existsSync(dataDir)).toBe(false)
  const engine = await openPglite({ dataDir })
  expect((await engine.query(OWNER, 'SELECT 1 AS ok')).rows).toEqual([{ ok: 1 }])
  await engine.close()
  expect((await readdir(root)).sort()).toEqual(['pg'])
})

test.each<[string, () => Promise<void>]>([
  ['is a file', () => writeFile(dataDir, 'x')],
  [
    'holds other files',
    async () => {
      await mkdir(dataDir)
      await writeFile(join(dataDir, 'photo.jpg'), 'x')
    },
  ],
  [
    'was made by another version',
    async () => {
      await fromTemplate()
      await writeFile(join(dataDir, 'PG_VERSION'), '15\n')
    },
  ],
  [
    'has lost a folder',
    async () => {
      await fromTemplate()
      await rm(join(dataDir, 'base'), { recursive: true })
    },
  ],
  [
    'has an emptied control file',
    async () => {
      await fromTemplate()
      await truncate(join(dataDir, 'global', 'pg_control'), 0)
    },
  ],
  [
    'has a control file of noise',
    async () => {
      await fromTemplate()
      await writeFile(join(dataDir, 'global', 'pg_control'), Buffer.alloc(8192, 7))
    },
  ],
  [
    'has lost its write-ahead log',
    async () => {
      await fromTemplate()
      await rm(join(dataDir, 'pg_wal'), { recursive: true })
      await mkdir(join(dataDir, 'pg_wal'))
    },
  ],
  [
    'has lost the files of its catalog',
    async () => {
      await fromTemplate()
      for (const name of await readdir(join(dataDir, 'base'))) {
        for (const file of await readdir(join(dataDir, 'base', name))) await truncate(join(dataDir, 'base', name, file), 0)
      }
    },
  ],
])('a directory that %s is DATA_DIR_CORRUPT, with its name and what to do, in bounded time', async (_what, damage) => {
  await damage()
  const start = performance.now()
  const error = await errorOf(openPglite({ dataDir, startTimeoutMs: 8000 }))
  expect(error).toMatchObject({ code: 'DATA_DIR_CORRUPT', details: { dataDir } })
  expect(error?.message).toContain(dataDir)
  expect(error?.message).toContain('Restore it from a backup, or move it away')
  expect(performance.now() - start).toBeLessThan(60_000)
  expect(existsSync(`${dataDir}.lock`)).toBe(false)
})
