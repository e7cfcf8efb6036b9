import pg from 'pg'
import { Command } from '@langchain/langgraph'
import type { CheckpointTuple } from '@langchain/langgraph-checkpoint'
import type { PostgresSaver } from '@langchain/langgraph-checkpoint-postgres'
import { writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CairnOptions, open } from '@cairn/core'
import { CairnCheckpointSaver, CairnStore } from '@cairn/langgraph'
import { type CairnPlace, cairnTargets } from '../../core/test/harness/cairns.ts'
import { makeDatabase } from './database.ts'
import { asking, expectSame, fill, longThread, openOfficial, openOfficialStore, talk, tuplesOf } from './official-world.ts'
import { CliSandbox } from './run-cli.ts'

interface Report {
  readonly ok: boolean
  readonly threads: number
  readonly checkpoints: Record<'found' | 'written' | 'same' | 'failed', number>
  readonly items?: Record<'found' | 'written' | 'same' | 'failed', number>
  readonly newerHere?: number
  readonly problems: { thread?: string; path?: string; checkpoint?: string; namespace?: string; key?: string; code: string; message: string }[]
}

const THREADS = ['talk', 'waits', 'answered', 'failed', 'old', 'sets']

let sandbox: CliSandbox
let database: Awaited<ReturnType<typeof makeDatabase>>
let official: PostgresSaver
beforeAll(async () => {
  sandbox = await CliSandbox.make()
  database = await makeDatabase()
  official = await openOfficial(database.url)
  await fill(official)
  await longThread(official, 'long', 300)
}, 180_000)
afterAll(async () => {
  await official?.end()
  await sandbox.dispose()
  await database?.dispose()
})

const read = new Map<string, Promise<CheckpointTuple[]>>()

/** Compares one of the threads that no test changes: the official library reads it once, which takes longer than all the rest. */
async function expectUnchanged(saver: CairnCheckpointSaver, thread: string): Promise<number> {
  const theirs = read.get(thread) ?? tuplesOf(official, thread)
  read.set(thread, theirs)
  return expectSame(official, saver, thread, { known: await theirs })
}

async function statement(text: string, values: unknown[] = []): Promise<void> {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  try {
    await client.query(text, values)
  } finally {
    await client.end()
  }
}

function flagsOf({ options }: CairnPlace): string[] {
  const { dataDir, postgres, nats } = options as { dataDir?: string; postgres?: string; nats?: { servers: string[] } }
  return dataDir === undefined ? ['--postgres', postgres ?? '', '--nats', nats?.servers.join(',') ?? ''] : ['--data-dir', dataDir]
}

async function withSaver<T>(options: CairnOptions, work: (saver: CairnCheckpointSaver) => Promise<T>, saverOptions: ConstructorParameters<typeof CairnCheckpointSaver>[1] = {}): Promise<T> {
  const cairn = await open(options)
  try {
    return await work(new CairnCheckpointSaver(cairn, saverOptions))
  } finally {
    await cairn.close()
  }
}

describe.each(cairnTargets)('cairn import langgraph ($name)', (target) => {
  let place: CairnPlace
  let flags: string[]
  const imported = (...more: string[]): Promise<Report> => sandbox.json<Report>(['import', 'langgraph', database.url, ...flags, ...more])
  beforeAll(async () => {
    place = await target.place()
    flags = flagsOf(place)
  })
  afterAll(() => place?.dispose())

  test('carries every checkpoint over as PostgresSaver gives it, once, and the graphs go on', { timeout: 240_000 }, async () => {
    const dry = await imported('--dry-run')
    expect(dry).toMatchObject({ ok: true, problems: [] })
    expect(dry.checkpoints.written).toBe(dry.checkpoints.found)
    if (target.name === 'servers') {
      const unverified = await sandbox.json<Report>(['import', 'langgraph', database.url, ...flags, '--verify', '--thread', 'talk', 'old'], 1)
      expect(unverified.checkpoints).toMatchObject({ same: 0, failed: unverified.checkpoints.found })
    }

    const first = await imported()
    expect(first).toMatchObject({ ok: true, threads: THREADS.length + 1, problems: [], checkpoints: { written: dry.checkpoints.found, same: 0, failed: 0 } })
    expect(first.checkpoints.found).toBeGreaterThan(330)
    await withSaver(place.options, async (saver) => {
      let compared = 0
      for (const thread of [...THREADS, 'long']) compared += await expectUnchanged(saver, thread)
      expect(compared).toBe(first.checkpoints.found)
    })
    // Where it goes to makes no difference to what follows; each command on an embedded directory takes seconds to start.
    if (target.name === 'embedded') return
    expect(await imported('--batch', '7')).toMatchObject({ ok: true, checkpoints: { written: 0, same: first.checkpoints.found } })
    expect(await imported('--verify')).toMatchObject({ ok: true, checkpoints: { written: 0, same: first.checkpoints.found } })
  })

  if (target.name === 'embedded') return

  test('a second run adds what the official tables got since: turns, answers, writes of an old checkpoint', { timeout: 240_000 }, async () => {
    await talk(official, 'grows', 2)
    await asking(official).invoke({ answers: [] }, { configurable: { thread_id: 'asks' } })
    const first = await imported('--namespace', 'second', '--thread', 'grows', 'asks')
    await talk(official, 'grows', 2, 2)
    await asking(official).invoke(new Command({ resume: 'right' }), { configurable: { thread_id: 'asks' } })
    const second = await imported('--namespace', 'second', '--thread', 'grows', 'asks')
    expect(second.ok).toBe(true)
    expect(second.checkpoints.same).toBeGreaterThan(0)
    expect(second.checkpoints.same).toBeLessThan(first.checkpoints.found + 1)
    await withSaver(place.options, async (saver) => {
      await expectSame(official, saver, 'grows')
      await expectSame(official, saver, 'asks')
      // Now the thread goes on here; another import must not touch it.
      await talk(saver, 'grows', 1, 9)
    }, { namespace: 'second' })
    const late = await sandbox.json<Report>(['import', 'langgraph', database.url, ...flags, '--namespace', 'second', '--thread', 'grows', 'asks'], 1)
    expect(late.problems.every(({ thread, code }) => thread === 'grows' && code === 'VERSION_CONFLICT')).toBe(true)
    await official.deleteThread('grows')
    await official.deleteThread('asks')
  })

  test('an interrupt imported is answered on Cairn', { timeout: 120_000 }, async () => {
    await imported('--namespace', 'goes-on', '--thread', 'waits')
    await withSaver(place.options, async (saver) => {
      const config = { configurable: { thread_id: 'waits' } }
      const waiting = await asking(saver).getState(config, { subgraphs: true })
      expect(waiting.tasks.find(({ name }) => name === 'inner')?.interrupts[0]?.value).toBe('which way?')
      const done = await asking(saver).invoke(new Command({ resume: 'north' }), config)
      expect(done['answers']).toContain('north')
      expect(done['answers']).toHaveLength(6)
    }, { namespace: 'goes-on' })
  })

  test('what cannot be read is reported with thread and checkpoint, the rest goes on, and --strict stops', { timeout: 120_000 }, async () => {
    const schema = `damaged_${target.name}`
    const damaged = await openOfficial(database.url, schema)
    try {
      await longThread(damaged, 'fine', 3)
      await longThread(damaged, 'hurt', 5)
      await longThread(damaged, 'x'.repeat(1001), 1)
      await statement(`UPDATE ${schema}.checkpoint_blobs SET blob = NULL WHERE thread_id = 'hurt' AND channel = 'messages' AND version = '2'`)
      await statement(`UPDATE ${schema}.checkpoints SET checkpoint = '[]' WHERE thread_id = 'hurt' AND checkpoint ->> 'ts' = $1`, [new Date(3).toISOString()])
      await statement(`UPDATE ${schema}.checkpoints SET metadata = '7' WHERE thread_id = 'hurt' AND checkpoint ->> 'ts' = $1`, [new Date(4).toISOString()])
      const report = await sandbox.json<Report>(['import', 'langgraph', database.url, ...flags, '--schema', schema, '--namespace', 'damaged'], 1)
      expect(report.checkpoints).toEqual({ found: 9, written: 5, same: 0, failed: 4 })
      expect(report.problems.map(({ thread, code }) => [thread?.slice(0, 4), code]).sort()).toEqual([['hurt', 'IMPORT_MALFORMED'], ['hurt', 'IMPORT_MALFORMED'], ['hurt', 'IMPORT_MALFORMED'], ['xxxx', 'INVALID_ARGUMENT']])
      expect(report.problems.every(({ checkpoint }) => checkpoint !== undefined)).toBe(true)
      const strict = await sandbox.run(['import', 'langgraph', database.url, ...flags, '--schema', schema, '--namespace', 'strict', '--strict'])
      expect(strict.code).toBe(1)
      expect(strict.stderr).toMatch(/^error \[IMPORT_MALFORMED\]/)
    } finally {
      await damaged.end()
      await statement(`DROP SCHEMA ${schema} CASCADE`)
    }
  })

  test('encrypts with the keys of a file, and tenants and namespaces keep apart', { timeout: 120_000 }, async () => {
    const key = Buffer.alloc(32, 7)
    const file = sandbox.path(`key-${target.name}.json`)
    await writeFile(file, JSON.stringify({ activeKey: 'k1', keys: { k1: key.toString('base64') } }))
    await imported('--namespace', 'secret', '--thread', 'talk', '--encryption-key-file', file, '--tenant', 'acme')
    expect(await imported('--namespace', 'secret', '--thread', 'talk', '--encryption-key-file', file, '--tenant', 'acme', '--verify')).toMatchObject({ ok: true })
    await withSaver({ ...place.options, tenant: 'acme' }, async (saver) => void (await expectUnchanged(saver, 'talk')), { namespace: 'secret', encryption: { activeKey: 'k1', keys: { k1: key } } })
    const none = await withSaver(place.options, (saver) => saver.getTuple({ configurable: { thread_id: 'talk' } }), { namespace: 'secret' })
    expect(none).toBeUndefined()
  })

  test('carries the store over, item by item, and keeps what is newer here', { timeout: 120_000 }, async () => {
    const store = await openOfficialStore(database.url)
    await store.put(['users', 'ada'], 'likes', { food: 'pizza', n: [1, { deep: true }] })
    await store.put(['users', 'ben'], 'likes', { food: 'tea' })
    await store.put(['users', 'ben'], 'short', { gone: 'soon' }, undefined, { ttl: 60 })
    await statement("INSERT INTO store (namespace_path, key, value) VALUES ('users:odd', 'list', '[1]'), ('users::empty', 'label', '{}')")
    try {
      const report = await sandbox.json<Report>(['import', 'langgraph', database.url, ...flags, '--store', '--no-checkpoints'], 1)
      expect(report.items).toEqual({ found: 5, written: 3, same: 0, failed: 2 })
      expect(report.problems.map(({ namespace, key, code }) => [namespace, key, code]).sort()).toEqual([['users::empty', 'label', 'INVALID_ARGUMENT'], ['users:odd', 'list', 'IMPORT_MALFORMED']])
      await statement("DELETE FROM store WHERE key IN ('list', 'label')")
      expect(await imported('--store', '--no-checkpoints')).toMatchObject({ ok: true, items: { found: 3, written: 0, same: 3 } })
      expect(await imported('--store', '--no-checkpoints', '--verify')).toMatchObject({ ok: true, items: { same: 3 } })
      const cairn = await open(place.options)
      const ours = new CairnStore(cairn)
      for (const [namespace, key] of [[['users', 'ada'], 'likes'], [['users', 'ben'], 'likes'], [['users', 'ben'], 'short']] as const) {
        expect((await ours.get([...namespace], key))?.value).toEqual((await store.get([...namespace], key))?.value)
      }
      expect((await ours.search(['users'])).length).toBe(3)
      await ours.put(['users', 'ben'], 'likes', { food: 'coffee' })
      await cairn.close()
      await store.put(['users', 'ada'], 'likes', { food: 'pasta' })
      expect(await imported('--store', '--no-checkpoints')).toMatchObject({ ok: true, items: { written: 1, same: 1 }, newerHere: 1 })
    } finally {
      await statement('TRUNCATE store')
      await store.stop()
    }
  })
})

test('killed with -9 in the middle and run again, it ends with everything once', { timeout: 180_000 }, async () => {
  const place = await (cairnTargets[0] as (typeof cairnTargets)[number]).place()
  try {
    const flags = flagsOf(place)
    const victim = sandbox.spawn(['import', 'langgraph', database.url, ...flags, '--thread', 'long', '--verbose'])
    await victim.until(/100: thread long/)
    await victim.kill('SIGKILL')
    const report = await sandbox.json<Report>(['import', 'langgraph', database.url, ...flags, '--thread', 'long'])
    expect(report.checkpoints.same).toBeGreaterThanOrEqual(100)
    expect(report.checkpoints.same + report.checkpoints.written).toBe(300)
    await withSaver(place.options, async (saver) => expect(await expectUnchanged(saver, 'long')).toBe(300))
  } finally {
    await place.dispose()
  }
})

describe('mistakes are told', () => {
  test.each([
    [['--schema', 'nowhere'], /INVALID_ARGUMENT.*no table checkpoint_migrations/],
    [['--dry-run', '--verify'], /INVALID_OPTION.*do not go together/],
    [['--store', '--no-checkpoints', '--schema', 'nowhere'], /INVALID_ARGUMENT.*no table store/],
    [['--encryption-key-file', '/nowhere.json'], /INVALID_OPTION.*cannot be read/],
  ])('%j', async (more, message) => {
    const result = await sandbox.run(['import', 'langgraph', database.url, '--data-dir', sandbox.path('none'), ...more])
    expect(result.code).toBe(2)
    expect(result.stderr).toMatch(message)
  })

  test('tables of another release', async () => {
    await statement('INSERT INTO checkpoint_migrations VALUES (9)')
    const result = await sandbox.run(['import', 'langgraph', database.url, '--data-dir', sandbox.path('none')])
    await statement('DELETE FROM checkpoint_migrations WHERE v = 9')
    expect(result).toMatchObject({ code: 2, stderr: expect.stringMatching(/at migration 9/) as string })
  })
})
