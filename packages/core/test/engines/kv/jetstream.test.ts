import { randomUUID } from 'node:crypto'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterEach, describe, expect, it } from 'vitest'
import { isCairnError } from '../../../src/errors/index.ts'
import { NAMED_BUCKETS } from '../../../src/engines/kv/index.ts'
import { type JetStreamEngine, openJetStream } from '../../../src/engines/kv/jetstream/index.ts'
import { decodeKey, encodeKey } from '../../../src/engines/kv/jetstream/subject-codec.ts'
import { until } from '../../harness/cairns.ts'
import { natsTarget } from '../../harness/engines.ts'
import { startNats } from '../../harness/nats-server.ts'
import { halt } from '../../harness/processes.ts'
import { type KvTarget, kvConformance } from './kv-conformance.ts'

const freshPrefix = (): string => `t${randomUUID().slice(0, 8)}_`

kvConformance('jetstream', async () => {
  const { url } = natsTarget()
  const prefix = freshPrefix()
  const target: KvTarget & { engine: JetStreamEngine } = {
    engine: await openJetStream({ servers: [url], prefix }),
    async reopen() {
      await target.engine.close()
      target.engine = await openJetStream({ servers: [url], prefix })
      return target.engine
    },
    async destroyBucket(name) {
      await deleteStreams(url, (stream) => stream === `KV_${prefix}${name}`)
      return target.engine
    },
    async dispose() {
      await target.engine.close()
      await deleteStreams(url, (stream) => stream.startsWith(`KV_${prefix}`))
    },
  }
  return target
})

async function deleteStreams(url: string, which: (stream: string) => boolean): Promise<void> {
  const connection = await connect({ servers: url })
  const jsm = await jetstreamManager(connection)
  for await (const name of jsm.streams.names()) if (which(name)) await jsm.streams.delete(name)
  await connection.close()
}

async function failureOf(run: Promise<unknown>): Promise<{ code: string; message: string }> {
  return run.then(
    () => ({ code: 'no error', message: '' }),
    (error: unknown) => (isCairnError(error) ? error : { code: `not a CairnError: ${String(error)}`, message: '' }),
  )
}

describe('JetStream only', () => {
  const cleanups: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  })

  it('encodes any text as one subject token, and back', () => {
    for (const text of ['plan', 'a.b', '*', '>', ' ', '=', '=2F', 'é', '🦊', '\u0000', 'a/b:c']) {
      const subject = encodeKey(['acme', 'x', text])
      expect(subject).toMatch(/^acme\.x\.[A-Za-z0-9_=-]+$/)
      expect(decodeKey(subject)).toEqual(['acme', 'x', text])
    }
    expect(decodeKey('a.=ZZ')).toBeUndefined()
    expect(decodeKey('a.=FF')).toBeUndefined()
  })

  // proves S4-11.2-02
  it('takes the history it is asked for, and reports what the server does not have', async () => {
    const engine = await openJetStream({ servers: [natsTarget().url], prefix: freshPrefix() })
    cleanups.push(() => engine.close())
    const bucket = await engine.bucket('H', { history: 5 })
    for (let n = 0; n < 8; n++) await bucket.put(['a', 'k'], String(n))
    expect(await bucket.status()).toMatchObject({ entries: 5, lastRevision: 8 })
    expect(engine.capabilities).toMatchObject({ shared: true, republish: true, replicas: 1 })
    if (engine.capabilities.serverVersion.startsWith('2.9')) expect(engine.capabilities).toMatchObject({ compression: false, perKeyTtl: false })
    const again = await engine.bucket('H', { history: 1 })
    await again.put(['a', 'k'], 'last')
    expect((await again.status()).entries).toBe(1)
  })

  // proves S4-3.1-01, S4-3.1-02, S4-11.2-01, S4-11.2-03, S4-11.2-04
  it('makes the named buckets with the settings they are meant to have', async () => {
    const prefix = freshPrefix()
    const engine = await openJetStream({ servers: [natsTarget().url], prefix })
    cleanups.push(() => engine.close())
    const connection = await connect({ servers: natsTarget().url })
    cleanups.push(() => connection.close())
    const jsm = await jetstreamManager(connection)
    for (const [name, settings] of Object.entries(NAMED_BUCKETS)) {
      const bucket = await engine.bucket(name, settings)
      for (let n = 0; n < 12; n++) await bucket.put(['acme', 'k'], String(n))
      const { config, state } = await jsm.streams.info(`KV_${prefix}${name}`)
      expect(config).toMatchObject({ max_age: settings.ttlMs * 1e6, storage: settings.storage, max_msgs_per_subject: settings.history, num_replicas: 1, allow_direct: true })
      expect(state.messages).toBe(settings.history)
    }
  })

  // proves S4-5.1-06, S4-5.1-02
  it('has one bucket a purpose with the limits of its configuration, and one connection for all of them at once', { timeout: 60_000 }, async () => {
    const server = await startNats()
    cleanups.push(() => server.dispose())
    const limits = { servers: [server.url], replicas: 3, maxBucketBytes: 2 ** 30 }
    const patient = await openJetStream(limits)
    cleanups.push(() => patient.close())
    const engine = await openJetStream({ ...limits, requestTimeoutMs: 1_000 })
    cleanups.push(() => engine.close())
    const connection = await connect({ servers: server.url })
    cleanups.push(() => connection.close())
    const jsm = await jetstreamManager(connection)
    const opened = (of: JetStreamEngine) => Promise.all(['SESSIONS', 'STATE', 'QUERIES'].map((name) => of.bucket(name, { ttlMs: 30 * 60_000, storage: 'file', history: 1 })))
    const made = await opened(patient)
    const buckets = await opened(engine)
    for (const { name } of made) {
      const { config } = await jsm.streams.info(`KV_${name}`)
      expect(config).toMatchObject({ max_bytes: 2 ** 30, max_age: 30 * 60_000 * 1e6, storage: 'file', max_msgs_per_subject: 1, num_replicas: 1 })
    }
    const all = (run: (bucket: (typeof buckets)[number], n: number) => Promise<unknown>, of = buckets): Promise<unknown[]> =>
      Promise.all(of.flatMap((bucket) => Array.from({ length: 100 }, (_, n) => run(bucket, n))))
    await all((bucket, n) => bucket.put(['t', `k${n}`], 'v'), made)
    // A pool of five would fail them five at a time, a minute long.
    await halt(server.pid)
    const began = performance.now()
    const codes = await all((bucket, n) => failureOf(n % 2 === 0 ? bucket.get(['t', `k${n}`]) : bucket.put(['t', `k${n}`], 'w')).then(({ code }) => code))
    expect(performance.now() - began).toBeLessThan(20_000)
    process.kill(server.pid, 'SIGCONT')
    expect([...new Set(codes)].sort()).toEqual(['CONNECTION_FAILED', 'OUTCOME_UNKNOWN'])
    await until('all are served again', async () => (await all((bucket, n) => bucket.get(['t', `k${n}`]).catch(() => undefined))).every((entry) => entry !== undefined))
  })

  it('refuses what is beyond the size of a bucket, keeps what it holds, and takes more when it was made larger', async () => {
    const server = natsTarget().url
    const prefix = freshPrefix()
    const engine = await openJetStream({ servers: [server], prefix, maxBucketBytes: 4_096 })
    cleanups.push(() => engine.close())
    const bucket = await engine.bucket('SMALL')
    await bucket.put(['t', 'first'], 'kept')
    let refused = { code: 'no error', message: '' }
    for (let n = 0; n < 50 && refused.code === 'no error'; n++) refused = await failureOf(bucket.put(['t', `k${n}`], 'x'.repeat(500)))
    expect(refused.code).toBe('STORAGE_FULL')
    expect((await bucket.get(['t', 'first']))?.value).toBe('kept')
    const larger = await openJetStream({ servers: [server], prefix, maxBucketBytes: 65_536 })
    cleanups.push(() => larger.close())
    await (await larger.bucket('SMALL')).put(['t', 'more'], 'x'.repeat(500))
  })

  it('says which server does not answer, without the password', async () => {
    const failure = await failureOf(openJetStream({ servers: ['nats://user:secret@127.0.0.1:1'], connectTimeoutMs: 1_000 }))
    expect(failure.code).toBe('CONNECTION_FAILED')
    expect(failure.message).toContain('127.0.0.1:1')
    expect(failure.message).not.toContain('secret')
  })

  it('keeps every acknowledged write through kill -9 of the server under load, and reconnects by itself', { timeout: 60_000 }, async () => {
    const server = await startNats()
    cleanups.push(() => server.dispose())
    const engine = await openJetStream({ servers: [server.url] })
    cleanups.push(() => engine.close())
    const bucket = await engine.bucket('LOAD')
    const acknowledged = new Map<number, number>()
    const codes = new Set<string>()
    let writing = true
    const writers = Array.from({ length: 32 }, async (_, writer) => {
      for (let n = 1; writing; n++) {
        try {
          await bucket.put(['acme', `k${writer}`], String(n))
          acknowledged.set(writer, n)
        } catch (error) {
          codes.add(isCairnError(error) ? error.code : String(error))
          await new Promise((resolve) => setTimeout(resolve, 5))
        }
      }
    })
    const total = (): number => [...acknowledged.values()].reduce((sum, n) => sum + n, 0)
    for (let kill = 0; kill < 3; kill++) {
      const before = total()
      await until('writes go on', () => total() > before + 500)
      await server.kill9()
      await until('the loss of the server is known', () => !engine.connected)
      await server.restart()
      await until('the engine has reconnected', () => engine.connected)
    }
    const before = total()
    await until('writes go on', () => total() > before + 100)
    writing = false
    await Promise.all(writers)
    for (const [writer, n] of acknowledged) expect(Number((await bucket.get(['acme', `k${writer}`]))?.value)).toBeGreaterThanOrEqual(n)
    for (const code of codes) expect(['CONNECTION_FAILED', 'OUTCOME_UNKNOWN']).toContain(code)
  })

  it('tells watchers of a gap after a reconnect', async () => {
    const server = await startNats()
    cleanups.push(() => server.dispose())
    const engine = await openJetStream({ servers: [server.url] })
    cleanups.push(() => engine.close())
    const bucket = await engine.bucket('W')
    let gaps = 0
    const seen: number[] = []
    await bucket.watch({ onChange: ({ revision }) => void seen.push(revision), onGap: () => void gaps++ })
    await bucket.put(['a', 'k'], '1')
    await until('the change is seen', () => seen.length === 1)
    await server.kill9()
    await server.restart()
    await until('the gap is told', () => gaps > 0)
    await until('changes are seen again', async () => {
      await bucket.put(['a', 'k'], '2').catch(() => undefined)
      return seen.length > 1
    })
  })
})
