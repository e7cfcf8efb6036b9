import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { open } from '../../../src/index.ts'
import { uuidv7 } from '../../../src/ids/index.ts'
import { type CairnPlace, type CairnTarget, cairnTargets, openCairn, until } from '../../harness/cairns.ts'
import { checkpointAt, everything, grow, holdJournal, idOf, shown } from './lineage-world.ts'
import { NODE_FLAGS } from '../../harness/node-flags.ts'

const WRITER = fileURLToPath(new URL('./hot-writer.ts', import.meta.url))
const THREADS = ['a', 'b', 'c']

/** Starts a writer, kills it after so many acknowledged steps; the last step acknowledged, by thread. */
async function writeAndKill(place: CairnPlace, steps: number): Promise<Map<string, number>> {
  const child = spawn(process.execPath, [...NODE_FLAGS, WRITER, JSON.stringify({ options: place.options, threads: THREADS })], { stdio: ['ignore', 'pipe', 'inherit'] })
  const acknowledged = new Map<string, number>()
  let count = 0
  for await (const line of createInterface({ input: child.stdout })) {
    const [thread = '', step = ''] = line.split(' ')
    acknowledged.set(thread, Number(step))
    if (++count === steps) child.kill('SIGKILL')
  }
  return acknowledged
}

describe.each(cairnTargets)("lineages acknowledged by the hot tier ($name)", (target) => {
  /** For tests of namespaces of their own. */
  let shared: Awaited<ReturnType<typeof openCairn>>
  beforeAll(async () => {
    shared = await openCairn(target)
  })
  afterAll(() => shared?.dispose())

  it('are stored anew after their thread was deleted, and with other metadata', async () => {
    const space = shared.cairn.lineages.space({ namespace: 'again', ack: 'hot' })
    const first = checkpointAt('t', 0)
    await space.append(first)
    expect((await space.get({ thread: 't' }))?.id).toBe(first.id)
    expect(await space.deleteThread('t')).toBe(true)
    await space.append(first)
    expect((await space.get({ thread: 't', id: first.id }))?.id).toBe(first.id)
    await space.append({ ...first, metadata: '{"step": "another"}' })
    expect(JSON.parse((await space.get({ thread: 't', id: first.id }))?.metadata ?? '')).toEqual({ step: 'another' })
  })

  it('are refused when SQL could never take them, and one that is there already holds up no other', { timeout: 60_000 }, async () => {
    const place = await target.place()
    try {
      const deep = `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`
      {
        await using cairn = await open(place.options)
        const space = cairn.lineages.space({ namespace: 'poison', ack: 'hot' })
        await space.append(checkpointAt('good', 0))
        for (const metadata of [deep, '{"score": 1e999999}']) {
          await expect(space.append({ ...checkpointAt('bad', 0), metadata })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
        }
        expect(await space.get({ thread: 'bad' })).toBeUndefined()
        const bucket = await cairn.engines.kv.bucket('LINEAGE_JOURNAL')
        const op = { kind: 'put', id: '1', parentId: '', frameId: uuidv7(), fenced: false, metadata: deep }
        await bucket.put([uuidv7(), 'default', uuidv7(), '0'], JSON.stringify({ lineage: { id: uuidv7(), namespace: 'poison', thread: 'old', path: '' }, op, bytes: ['AAAA'] }))
      }
      await using cairn = await open(place.options)
      const space = cairn.lineages.space({ namespace: 'poison', ack: 'hot' })
      await space.append(checkpointAt('good', 1))
      expect((await space.get({ thread: 'good' }))?.id).toBe(idOf(1))
    } finally {
      await place.dispose()
    }
  })

  it('are there, in order and unharmed, after the process was killed', { timeout: 120_000 }, async () => {
    // A process that opens an embedded database takes its time, so it is killed once there.
    for (const steps of target.name === 'embedded' ? [60] : [5, 60, 150]) {
      const place = await target.place()
      try {
        const acknowledged = await writeAndKill(place, steps)
        expect(acknowledged.size).toBeGreaterThan(0)
        await using cairn = await open(place.options)
        const space = cairn.lineages.space({ namespace: 'hot' })
        for (const [thread, last] of acknowledged) {
          const newest = await space.get({ thread })
          expect(newest === undefined ? '' : newest.id >= idOf(last), `${thread}: ${newest?.id} is not behind ${idOf(last)}`).toBe(true)
          for (let step = 0; step <= last; step += Math.max(1, Math.floor(last / 10))) {
            const loaded = await space.get({ thread, id: idOf(step) })
            expect(Buffer.from(loaded?.channels.get('messages')?.bytes ?? []).toString()).toBe(Buffer.from(checkpointAt(thread, step).changed.get('messages')?.bytes ?? []).toString())
            expect(loaded?.writes.map((one) => Buffer.from(one.bytes).toString())).toEqual([`${step}`])
          }
        }
      } finally {
        await place.dispose()
      }
    }
  })

  it('are read by their own process at once, and end up in SQL as a durable append would', { timeout: 120_000 }, async () => {
    const place = await target.place()
    try {
      const cairn = await open(place.options)
      const [hot, durable] = [cairn.lineages.space({ namespace: 'n', ack: 'hot' }), cairn.lineages.space({ namespace: 'd' })]
      await grow(durable, 't', 90)
      for (let step = 0; step < 90; step += 30) {
        await grow(hot, 't', step + 30, step)
        expect((await hot.get({ thread: 't' }))?.id).toBe(idOf(step + 29))
      }
      await hot.append(checkpointAt('t', 5))
      expect(await everything(hot, 't')).toEqual(await everything(durable, 't'))
      await cairn.close()
      await using again = await open(place.options)
      expect(await everything(again.lineages.space({ namespace: 'n' }), 't')).toEqual(await everything(again.lineages.space({ namespace: 'd' }), 't'))
      const bucket = await again.engines.kv.bucket('LINEAGE_JOURNAL')
      await until('the journal is empty', async () => (await bucket.status()).entries === 0)
    } finally {
      await place.dispose()
    }
  })

  it('leave the journal when SQL has them, while the process goes on', async () => {
    const { cairn } = shared
    const space = cairn.lineages.space({ namespace: 'leaving', ack: 'hot' })
    const bucket = await cairn.engines.kv.bucket('LINEAGE_JOURNAL')
    for (const from of [0, 20]) {
      await grow(space, 't', from + 20, from)
      await until('only the mark is left', async () => {
        const left: string[] = []
        for await (const { key } of bucket.list([])) left.push(key.at(-1) as string)
        return left.every((last) => last === 'stored')
      })
    }
    expect((await space.get({ thread: 't' }))?.id).toBe(idOf(39))
  })

  it('many threads at once, with tasks that write again, lose nothing', async () => {
    const space = shared.cairn.lineages.space({ namespace: 'many', ack: 'hot' })
    await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const thread = `t${index}`
        await grow(space, thread, 10)
        for (const text of ['first', 'second']) await space.appendWrites({ thread, id: idOf(9), taskId: 'again', writes: [{ index: 0, channel: 'c', type: 'json', bytes: Buffer.from(text) }, { index: -1, channel: 'e', type: 'json', bytes: Buffer.from(text) }] })
      }),
    )
    for (let index = 0; index < 20; index++) {
      const newest = await space.get({ thread: `t${index}` })
      expect(shown(newest)).toContain(idOf(9))
      expect(newest?.writes.filter(({ taskId }) => taskId === 'again').map((one) => Buffer.from(one.bytes).toString())).toEqual(['second', 'first'])
    }
  })

  it('do not come back when they were removed, though the process that wrote them is killed right after', { timeout: 120_000 }, async () => {
    const place = await target.place()
    try {
      // Entries of a process that is gone, with and without its word that SQL has them.
      const remover = await open(place.options)
      const release = holdJournal(remover)
      const hot = remover.lineages.space({ namespace: 'hot', ack: 'hot' })
      await grow(hot, 'kept', 3)
      await grow(hot, 'gone', 3)
      const bucket = await remover.engines.kv.bucket('LINEAGE_JOURNAL')
      const entries = []
      for await (const entry of bucket.list([])) if (entry.key.length === 4) entries.push(entry)
      expect(entries.length).toBeGreaterThan(0)
      release()
      expect(await hot.deleteThread('gone')).toBe(true)
      for await (const { key, value } of bucket.list([])) if (key.length === 4) expect(value).not.toContain('"thread":"gone"')
      await remover.close()
      await using again = await open(place.options)
      const space = again.lineages.space({ namespace: 'hot' })
      expect(await space.get({ thread: 'gone' })).toBeUndefined()
      expect((await space.get({ thread: 'kept' }))?.id).toBe(idOf(2))
    } finally {
      await place.dispose()
    }
  })

  it('of a release that named the lineage first, left by a process that was killed, are carried over', { timeout: 60_000 }, async () => {
    const place = await target.place()
    try {
      const writer = await open(place.options)
      const release = holdJournal(writer)
      await grow(writer.lineages.space({ namespace: 'hot', ack: 'hot' }), 'old', 2)
      const bucket = await writer.engines.kv.bucket('LINEAGE_JOURNAL')
      const left: { key: readonly string[]; value: string }[] = []
      for await (const { key, value } of bucket.list([])) if (key.length === 4) left.push({ key: [key[1] as string, key[2] as string, `${key[0]}.${key[3]}`], value })
      release()
      await writer.lineages.space({ namespace: 'hot' }).deleteThread('old')
      for (const { key, value } of left) await bucket.put(key, value)
      await writer.close()
      await using again = await open(place.options)
      expect((await again.lineages.space({ namespace: 'hot' }).get({ thread: 'old' }))?.id).toBe(idOf(1))
    } finally {
      await place.dispose()
    }
  })
})

describe('lineages of several processes', () => {
  it('of a process that began later are seen by one that runs, and carried over by it when the writer was killed', { timeout: 60_000 }, async () => {
    const place = await (cairnTargets.find(({ name }) => name === 'servers') as CairnTarget).place()
    try {
      await using cairn = await open(place.options)
      const space = cairn.lineages.space({ namespace: 'hot' })
      expect(await space.get({ thread: 'a' })).toBeUndefined()
      const acknowledged = await writeAndKill(place, 40)
      for (const [thread, last] of acknowledged) {
        await until(`${thread} is at ${idOf(last)}`, async () => ((await space.get({ thread }))?.id ?? '') >= idOf(last))
        expect((await space.get({ thread, id: idOf(last) }))?.writes.map((one) => Buffer.from(one.bytes).toString())).toEqual([`${last}`])
      }
    } finally {
      await place.dispose()
    }
  })
})
