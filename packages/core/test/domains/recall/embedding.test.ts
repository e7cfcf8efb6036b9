import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Cairn, EmbedderOption } from '../../../src/index.ts'
import { RecallCore, RecallService } from '../../../src/domains/recall/index.ts'
import { MAINTENANCE } from '../../../src/identity/index.ts'
import { type Logger, SILENT_LOGGER } from '../../../src/observability/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'
import { testEmbedder } from './embedders.ts'

/** Recall as another process on the same database would have it: an embedder and a worker of its own. */
interface Process {
  readonly memory: Cairn['memory']
  readonly recall: RecallService
  readonly as: (tenant: string) => Process
  close(): Promise<void>
}

describe.each(cairnTargets)('vectors of memories ($name)', (target) => {
  let opened: Awaited<ReturnType<typeof openCairn>>
  let tests = 0
  let tenant = ''
  const running: RecallCore[] = []
  const start = async (embedder: EmbedderOption, embed = false, log: Logger = SILENT_LOGGER): Promise<Process> => {
    const { sql } = opened.cairn.engines
    const core = new RecallCore({ sql, embedder, recall: { embed, pollMs: 20, vectorBytes: 1e8 }, log })
    core.start()
    running.push(core)
    const of = (name: string): Process => {
      const { memory, identity } = opened.cairn.as({ tenant: name })
      return { memory, recall: new RecallService({ sql, identity, log }, core), as: of, close: () => core.close() }
    }
    return Promise.resolve(of(tenant))
  }
  const end = (cairn: Process): Promise<void> => cairn.close()
  const stored = async (): Promise<{ model: string; vectors: number }[]> =>
    (await opened.cairn.engines.sql.query<{ model: string; vectors: number }>(MAINTENANCE, 'SELECT model, count(*) AS vectors FROM memory.embeddings WHERE tenant_id = $1 GROUP BY model ORDER BY model', [tenant])).rows
  const remember = (cairn: Process, count: number, what = 'note'): Promise<unknown> => cairn.memory.rememberMany(Array.from({ length: count }, (_, index) => ({ content: `${what} number ${index}` })))

  beforeAll(async () => {
    opened = await openCairn(target, { embedder: 'none' })
  })
  // What one test leaves waiting is not the next one's.
  afterEach(async () => {
    for (const core of running.splice(0)) await core.close()
    await opened.cairn.engines.sql.query(MAINTENANCE, 'DELETE FROM memory.conversation_memory')
    await opened.cairn.engines.sql.query(MAINTENANCE, 'DELETE FROM memory.embedding_models')
  })
  beforeEach(() => {
    tenant = `t${(tests += 1)}`
  })
  afterAll(() => opened.dispose())

  it('are made in the background, of all tenants, each text once', async () => {
    const embedder = testEmbedder()
    const cairn = await start(embedder, true)
    const other = cairn.as('other')
    await Promise.all([remember(cairn, 40), remember(other, 3)])
    await cairn.memory.remember({ content: 'note number 1', userId: 'u1' })
    for (const each of [cairn, other]) await until('all have vectors', async () => (await each.recall.embeddings()).pending === 0)
    expect(embedder.asked.length).toBe(43)
    expect(await stored()).toEqual([{ model: 'test', vectors: 40 }])
    expect((await opened.cairn.engines.sql.query<{ n: number }>(MAINTENANCE, 'SELECT count(*) AS n FROM memory.embedding_queue')).rows[0]?.n).toBe(0)
  })

  it('follow the words when these change, and cost nothing when they come back', async () => {
    const embedder = testEmbedder()
    const cairn = await start(embedder)
    const { id } = await cairn.memory.remember({ content: 'a brown dog' })
    await cairn.recall.embedPending()
    await cairn.memory.update(id, { content: 'a red car' })
    expect(await cairn.recall.embeddings()).toMatchObject({ embedded: 0, pending: 1 })
    expect(await cairn.recall.embedPending()).toEqual({ embedded: 1, refused: 0 })
    expect((await cairn.recall.search('vehicle', { mode: 'vector' })).items[0]?.score).toBeGreaterThan(0.9)
    await cairn.memory.update(id, { importance: 0.9 })
    await cairn.memory.update(id, { content: 'a brown dog' })
    expect(await cairn.recall.embedPending()).toEqual({ embedded: 1, refused: 0 })
    expect(embedder.asked.filter((text) => text === 'a brown dog')).toHaveLength(1)
    expect((await cairn.recall.search('puppy', { mode: 'vector' })).items[0]?.score).toBeGreaterThan(0.9)
  })

  it('of another model are made beside the old ones, which stay and are never compared with them', async () => {
    const first = await start(testEmbedder('first', 16))
    await remember(first, 50)
    await first.recall.embedPending()
    await end(first)

    const embedder = testEmbedder('second', 24)
    const second = await start(embedder)
    expect(await second.recall.embeddings()).toMatchObject({ model: 'second', dimensions: 24, embedded: 0, pending: 50 })
    const before = await second.recall.search('note number 7', { mode: 'hybrid' })
    expect(before).toMatchObject({ mode: 'hybrid', degraded: null })
    expect(before.items[0]?.memory.content).toBe('note number 7')
    expect((await second.recall.search('note number 7', { mode: 'vector' })).items).toEqual([])
    await second.recall.embedPending()
    expect(await stored()).toEqual([{ model: 'first', vectors: 50 }, { model: 'second', vectors: 50 }])
    await remember(second, 5, 'later')
    await second.recall.embedPending()
    await end(second)

    // Back again: what came under the other model is made up for, the rest is there.
    const again = testEmbedder('first', 16)
    const third = await start(again)
    expect(await third.recall.embedPending()).toEqual({ embedded: 5, refused: 0 })
    expect(again.asked.length).toBe(5)
  })

  it('are made for what was remembered before there was an embedder', async () => {
    const without = await start('none')
    await remember(without, 5)
    expect(await without.recall.search('note')).toMatchObject({ mode: 'text', degraded: null })
    await expect(without.recall.search('note', { mode: 'vector' })).rejects.toMatchObject({ code: 'EMBEDDER_UNAVAILABLE' })
    await expect(without.recall.embedPending()).rejects.toMatchObject({ code: 'EMBEDDER_UNAVAILABLE' })
    expect((await without.recall.search('note', { mode: 'hybrid' })).degraded).toMatchObject({ wanted: 'hybrid', code: 'EMBEDDER_UNAVAILABLE' })
    await end(without)
    const cairn = await start(testEmbedder(), true)
    await until('all have vectors', async () => (await cairn.recall.embeddings()).embedded === 5)
  })

  it('go on where a process that was cut off in the middle left them', async () => {
    const embedder = testEmbedder()
    const first = await start(embedder)
    await remember(first, 100)
    // Cut off between the embedder's answer and the statement that stores it, in the third batch.
    let batches = 0
    embedder.spoil = (vectors) => {
      batches += 1
      if (batches === 3) throw new Error('killed')
      return vectors
    }
    await expect(first.recall.embedPending()).rejects.toMatchObject({ code: 'EMBEDDER_UNAVAILABLE' })
    await end(first)
    const again = testEmbedder()
    const second = await start(again, true)
    await until('all have vectors', async () => (await second.recall.embeddings()).pending === 0)
    expect(await stored()).toEqual([{ model: 'test', vectors: 100 }])
    expect(again.asked.length).toBe(36)
  })

  it.each([
    ['NaN', (vectors: number[][]) => vectors.map((vector) => vector.with(3, Number.NaN))],
    ['infinity', (vectors: number[][]) => vectors.map((vector) => vector.with(3, Infinity))],
    ['too few dimensions', (vectors: number[][]) => vectors.map((vector) => vector.slice(1))],
    ['too few vectors', (vectors: number[][]) => vectors.slice(1)],
    ['text for numbers', (vectors: number[][]) => vectors.map((vector) => vector.map(String) as never)],
    ['nothing', () => undefined as never],
  ])('with %s are never stored, and recall goes on by text', async (_, spoil) => {
    const embedder = testEmbedder()
    const warnings: { err?: { code?: string } }[] = []
    const logger = { debug() {}, info() {}, error() {}, warn: (fields: object) => void warnings.push(fields) }
    const cairn = await start(embedder, false, logger)
    await remember(cairn, 3)
    embedder.spoil = (vectors, texts) => (texts.length === 1 && texts[0] === 'note number 2' ? vectors : spoil(vectors))
    expect(await cairn.recall.embedPending()).toEqual({ embedded: 1, refused: 2 })
    expect(await stored()).toEqual([{ model: 'test', vectors: 1 }])
    expect(warnings.filter(({ err }) => err?.code === 'EMBEDDING_INVALID')).toHaveLength(2)
    const result = await cairn.recall.search('note number 1')
    expect(result).toMatchObject({ mode: 'text', degraded: { wanted: 'hybrid', code: 'EMBEDDING_INVALID' } })
    expect(result.items[0]?.memory.content).toBe('note number 1')
  })

  it('cannot hold up recall: an embedder that is down or slow is passed over, and said so', async () => {
    const embedder = testEmbedder()
    const cairn = await start(embedder)
    await remember(cairn, 3)
    await cairn.recall.embedPending()
    let release = (): void => undefined
    embedder.hold = new Promise<void>((resolve) => { release = resolve })
    const slow = await cairn.recall.search('note number 2', { embedTimeoutMs: 30 })
    expect(slow).toMatchObject({ mode: 'text', degraded: { wanted: 'hybrid', code: 'EMBEDDER_UNAVAILABLE' } })
    expect(slow.items[0]?.memory.content).toBe('note number 2')
    release()
    embedder.hold = undefined
    await until('it is asked again', async () => (await cairn.recall.search('note number 2')).degraded === null)
    embedder.failure = new Error('connection refused')
    expect(await cairn.recall.search('another question')).toMatchObject({ mode: 'text', degraded: { code: 'EMBEDDER_UNAVAILABLE' } })
    // Memories that come meanwhile wait.
    await remember(cairn, 1, 'meanwhile')
    await expect(cairn.recall.embedPending()).rejects.toMatchObject({ code: 'EMBEDDER_UNAVAILABLE' })
    expect((await cairn.recall.search('meanwhile', { mode: 'text' })).items).toHaveLength(1)
    embedder.failure = undefined
    expect(await cairn.recall.embedPending()).toEqual({ embedded: 1, refused: 0 })
  })

  it('beyond 2,000 dimensions are found too', async () => {
    const cairn = await start(testEmbedder('wide', 3_000))
    await cairn.memory.rememberMany([{ content: 'a brown dog' }, { content: 'a red car' }])
    await cairn.recall.embedPending()
    expect((await cairn.recall.search('puppy', { mode: 'vector' })).items[0]?.memory.content).toBe('a brown dog')
  })
})
