import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, open, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openLmdb } from '../../../src/engines/kv/lmdb/index.ts'
import { waitGone } from '../../harness/processes.ts'
import { codeOf, collect, errorOf, feed, kvConformance, type KvTarget, until } from './kv-conformance.ts'
import { NODE_FLAGS } from '../../harness/node-flags.ts'

kvConformance('lmdb', async () => {
  const path = await mkdtemp(join(tmpdir(), 'cairn-lmdb-'))
  const target = {
    engine: await openLmdb({ path }),
    async reopen() {
      await target.engine.close()
      target.engine = await openLmdb({ path })
      return target.engine
    },
    async destroyBucket() {
      await target.engine.close()
      for (const file of await readdir(path)) await rm(join(path, file), { recursive: true })
      target.engine = await openLmdb({ path })
      return target.engine
    },
    async dispose() {
      await target.engine.close()
      await rm(path, { recursive: true })
    },
  }
  return target satisfies KvTarget
})

describe('LMDB only', () => {
  let path: string
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'cairn-lmdb-'))
  })
  afterEach(async () => {
    await rm(path, { recursive: true })
  })

  test('kill -9 of the writing process loses no acknowledged write, ten times in a row', async () => {
    const acknowledged = new Map<string, { count: number; revision: number }>()
    let total = 0
    for (let round = 0; round < 10; round++) {
      const child = startWriter(path, ['load', String(round)])
      const wanted = 500 + Math.floor(Math.random() * 4000)
      let seen = 0
      for await (const line of createInterface({ input: child.stdout! })) {
        const [key = '', count, revision] = line.split(' ')
        const before = acknowledged.get(key)
        if (!before || Number(revision) > before.revision) acknowledged.set(key, { count: Number(count), revision: Number(revision) })
        total++
        // The lines still in the pipe were acknowledged as well: they are read to the end.
        if (++seen === wanted) child.kill('SIGKILL')
      }
      await waitGone([child.pid!])
      const engine = await openLmdb({ path })
      const bucket = await engine.bucket('load')
      for (const [key, { count, revision }] of acknowledged) {
        const entry = await bucket.get(['acme', key])
        expect(entry?.revision).toBeGreaterThanOrEqual(revision)
        expect(Number(entry?.value.split(' ')[0])).toBeGreaterThanOrEqual(count)
      }
      const fed = new Map((await feed(bucket, 0, 1000)).map((entry) => [entry.key[1], entry.revision]))
      const listed = await collect(bucket.list(['acme']))
      expect(fed).toEqual(new Map(listed.map((entry) => [entry.key[1], entry.revision])))
      expect((await bucket.status()).lastRevision).toBe(Math.max(...fed.values()))
      await engine.close()
    }
    expect(total).toBeGreaterThan(5000)
  })

  test('a directory open in another process is refused with its pid, and free again after kill -9', async () => {
    const child = startWriter(path, ['hold'])
    await firstLine(child)
    expect(await errorOf(openLmdb({ path }))).toMatchObject({ code: 'DATA_DIR_LOCKED', details: { pid: child.pid } })
    child.kill('SIGKILL')
    await waitGone([child.pid!])
    await (await openLmdb({ path })).close()
  })

  test('a directory open in this process is refused', async () => {
    const engine = await openLmdb({ path })
    expect(await codeOf(openLmdb({ path }))).toBe('DATA_DIR_LOCKED')
    await engine.close()
    await (await openLmdb({ path })).close()
  })

  test.each([
    ['text', (file: string) => writeFile(file, 'not a database, but long enough to be more than one page. '.repeat(1000))],
    ['random bytes', async (file: string) => writeFile(file, crypto.getRandomValues(new Uint8Array(65_536)))],
    ['a short file', (file: string) => writeFile(file, 'x')],
    ['the file cut off', (file: string) => truncate(file, 8192)],
    [
      'random bytes behind the header pages',
      async (file: string) => {
        const handle = await open(file, 'r+')
        const { size } = await handle.stat()
        for (let at = 8192; at < size; at += 4096) await handle.write(crypto.getRandomValues(new Uint8Array(4096)), 0, 4096, at)
        await handle.close()
      },
    ],
  ])('%s instead of the data file is DATA_DIR_CORRUPT and does not end the process', async (_what, damage) => {
    const engine = await openLmdb({ path })
    const bucket = await engine.bucket('b')
    await Promise.all(Array.from({ length: 1000 }, (_, i) => bucket.put(['acme', `k${i}`], 'x'.repeat(100))))
    await engine.close()
    await damage(join(path, 'data.mdb'))
    const error = await errorOf(openLmdb({ path }))
    expect(error).toMatchObject({ code: 'DATA_DIR_CORRUPT' })
    expect((error as Error).message).toContain(path)
  })

  test('expired entries and their log records are removed from the file', async () => {
    // Looked at before the first upkeep, which may come at any time.
    const writing = await openLmdb({ path, upkeepIntervalMs: 3_600_000 })
    const written = await writing.bucket('short', { ttlMs: 100 })
    await Promise.all(Array.from({ length: 500 }, (_, i) => written.put(['acme', `k${i}`], 'x')))
    expect((await written.status()).entries).toBe(500)
    await writing.close()
    const engine = await openLmdb({ path, upkeepIntervalMs: 50 })
    const bucket = await engine.bucket('short', { ttlMs: 100 })
    await until(async () => (await bucket.status()).entries === 0)
    expect((await bucket.changes(0, 10)).entries).toEqual([])
    await engine.close()
  })

  test('when the file can grow no more, writes fail with a code, nothing acknowledged is lost and closing ends', async () => {
    const script = join(import.meta.dirname, 'lmdb-writer.ts')
    // The limit is in blocks of 512 or 1024 bytes; with the signal ignored, a write beyond it is an I/O error.
    const command = `trap '' XFSZ; ulimit -f 4096; exec "$0" --conditions=source "$@"`
    const child = spawn('sh', ['-c', command, process.execPath, script, path, 'fill'], { stdio: ['ignore', 'pipe', 'ignore'] })
    const report = JSON.parse(await lastLine(child)) as { revisions: Record<string, number>; codes: string[]; closed: boolean }
    expect(report.codes).toEqual(['CONNECTION_FAILED'])
    expect(report.closed).toBe(true)
    expect(Object.keys(report.revisions).length).toBeGreaterThan(100)
    const engine = await openLmdb({ path })
    const bucket = await engine.bucket('load')
    for (const [text, revision] of Object.entries(report.revisions)) expect((await bucket.get(['acme', text]))?.revision).toBe(revision)
    expect(await bucket.put(['acme', 'room again'], 'x')).toBeGreaterThan(Math.max(...Object.values(report.revisions)))
    await engine.close()
  })

  test('writes the process made before it was killed are found by a reader of the change feed', async () => {
    const child = startWriter(path, ['hold'])
    await firstLine(child)
    child.kill('SIGKILL')
    await waitGone([child.pid!])
    const engine = await openLmdb({ path })
    expect((await feed(await engine.bucket('load'), 0)).map((entry) => entry.value)).toEqual(['held'])
    await engine.close()
  })
})

function startWriter(path: string, args: string[]): ChildProcess {
  const script = join(import.meta.dirname, 'lmdb-writer.ts')
  return spawn(process.execPath, [...NODE_FLAGS, script, path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
}

async function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout! }).once('line', resolve).once('close', () => reject(new Error('The writer ended.')))
  })
}

async function lastLine(child: ChildProcess): Promise<string> {
  let last = ''
  for await (const line of createInterface({ input: child.stdout! })) last = line
  return last
}
