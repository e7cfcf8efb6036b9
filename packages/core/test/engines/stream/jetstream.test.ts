import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openJetStreamStreams } from '../../../src/engines/stream/jetstream/index.ts'
import { until } from '../../harness/cairns.ts'
import { natsTarget, uniqueName } from '../../harness/engines.ts'
import { startNats } from '../../harness/nats-server.ts'
import { type StreamTarget, codeOf, streamConformance, take } from './stream-conformance.ts'

streamConformance('JetStream', async () => {
  const { url } = natsTarget()
  const prefix = uniqueName('t')
  const open = () => openJetStreamStreams({ servers: [url], prefix })
  const target: StreamTarget = {
    engine: await open(),
    async reopen() {
      await target.engine.close()
      target.engine = await open()
      return target.engine
    },
    another: open,
    async dispose() {
      await target.engine.close()
      const connection = await connect({ servers: url })
      const jsm = await jetstreamManager(connection)
      for await (const name of jsm.streams.names()) if (name.startsWith(prefix)) await jsm.streams.delete(name)
      await connection.close()
    },
  }
  return target
})

describe('JetStream streams only', () => {
  it('say which server does not answer, without the password', async () => {
    expect(await codeOf(openJetStreamStreams({ servers: ['nats://user:secret@127.0.0.1:1'], connectTimeoutMs: 1_000 }))).toBe('CONNECTION_FAILED')
  })

  it('are made by several at once that wish for different things, and all get what they need', async () => {
    const prefix = uniqueName('t')
    const engines = await Promise.all(Array.from({ length: 4 }, () => openJetStreamStreams({ servers: [natsTarget().url], prefix })))
    try {
      for (let round = 0; round < 5; round++) {
        const also = `copies${prefix}${round}.>`
        await Promise.all(engines.map((engine, index) => engine.ensureStream({ name: `s${round}`, subjects: [`s${round}.>`], storage: 'memory', ...(index % 2 === 0 ? {} : { alsoSubjects: [also] }) })))
        expect((await engines[0]?.status(`s${round}`))?.subjects).toContain(also)
      }
    } finally {
      const connection = await connect({ servers: natsTarget().url })
      const jsm = await jetstreamManager(connection)
      for (let round = 0; round < 5; round++) await jsm.streams.delete(`${prefix}s${round}`)
      await connection.close()
      await Promise.all(engines.map((engine) => engine.close()))
    }
  })

  it('say that there is no room when the account has none, and come back when the server had refused their password for a while', { timeout: 60_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cairn-accounts-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const file = join(folder, 'nats.conf')
    const accounts = (password: string): Promise<void> => writeFile(file, `accounts { A { jetstream { max_mem: 1M, max_file: 1M }, users [{ user: u, password: ${password} }] } }`)
    await accounts('right')
    const server = await startNats({ flags: ['-c', file] })
    onTestFinished(() => server.dispose())
    const engine = await openJetStreamStreams({ servers: [server.url.replace('//', '//u:right@')] })
    onTestFinished(() => engine.close())
    await engine.ensureStream({ name: 'full', subjects: ['full.>'], storage: 'memory' })
    const codes: string[] = ['no error']
    for (let n = 0; n < 20 && codes.at(-1) === 'no error'; n++) codes.push(await codeOf(engine.publish('full.a', 'x'.repeat(100_000))))
    expect(codes.at(-1)).toBe('STORAGE_FULL')
    await accounts('wrong')
    await server.restart()
    let refused = 0
    // It has been refused more often than the client bears by itself.
    await until('it was refused', async () => {
      refused += Number(!engine.connected)
      await new Promise((resolve) => setTimeout(resolve, 100))
      return refused > 20
    }, 20_000)
    await accounts('right')
    await server.restart()
    await until('it is connected again', () => engine.connected, 20_000)
    await engine.ensureStream({ name: 'full', subjects: ['full.>'], storage: 'memory' })
    expect(await codeOf(engine.publish('full.a', 1))).toBe('no error')
  })

  it('lose no acknowledged message when the server is killed, and store a repeated one once', { timeout: 60_000 }, async () => {
    const server = await startNats()
    onTestFinished(() => server.dispose())
    const engine = await openJetStreamStreams({ servers: [server.url] })
    onTestFinished(() => engine.close())
    await engine.ensureStream({ name: 'load', subjects: ['load.>'] })
    const acknowledged: string[] = []
    const codes = new Set<string>()
    let publishing = true
    const publishers = Array.from({ length: 8 }, async (_, publisher) => {
      for (let n = 0; publishing; n++) {
        const id = `p${publisher}-${n}`
        for (let code = ''; code !== 'no error'; ) {
          code = await codeOf(engine.publish(`load.p${publisher}`, n, { id }))
          if (code === 'no error') acknowledged.push(id)
          else {
            codes.add(code)
            await new Promise((resolve) => setTimeout(resolve, 10))
          }
        }
      }
    })
    for (let kill = 0; kill < 2; kill++) {
      const before = acknowledged.length
      await until('messages are stored', () => acknowledged.length > before + 200, 20_000)
      await server.kill9()
      await server.restart()
    }
    const before = acknowledged.length
    await until('messages are stored again', () => acknowledged.length > before + 100, 20_000)
    publishing = false
    await Promise.all(publishers)
    const got = await take(await engine.consumer('load', { name: 'c' }), acknowledged.length)
    expect(got.map(({ id }) => id).sort()).toEqual([...acknowledged].sort())
    for (const code of codes) expect(['CONNECTION_FAILED', 'OUTCOME_UNKNOWN']).toContain(code)
  })

  it('hand on what other programs publish, JSON or not', async () => {
    const { url } = natsTarget()
    const prefix = uniqueName('t')
    const engine = await openJetStreamStreams({ servers: [url], prefix })
    onTestFinished(() => engine.close())
    await engine.ensureStream({ name: 'foreign', subjects: ['foreign.>'], storage: 'memory' })
    const connection = await connect({ servers: url })
    connection.publish(`${prefix}.foreign.a`, 'plain text')
    await connection.flush()
    await connection.close()
    expect(await take(await engine.consumer('foreign', { name: 'c' }), 1)).toMatchObject([{ id: 'foreign:1', subject: 'foreign.a', payload: 'plain text', headers: {} }])
  })

  it('capture what the server copies from another stream, with its position there', async () => {
    const { url } = natsTarget()
    const prefix = uniqueName('t')
    const engine = await openJetStreamStreams({ servers: [url], prefix })
    onTestFinished(() => engine.close())
    const connection = await connect({ servers: url })
    onTestFinished(() => connection.close())
    const jsm = await jetstreamManager(connection)
    await jsm.streams.add({ name: `${prefix}src`, subjects: [`${prefix}src.>`], republish: { src: `${prefix}src.>`, dest: `cairn.kv.${prefix}.>`, headers_only: true } })
    onTestFinished(async () => void (await jsm.streams.delete(`${prefix}src`)))
    const stream = { name: 'both', subjects: ['both.>'] }
    await engine.ensureStream({ ...stream, alsoSubjects: [`cairn.kv.${prefix}.>`] })
    // Said without it, it stays; said to have none, it goes.
    await engine.ensureStream({ ...stream, maxAgeMs: 60_000 })
    await jsm.jetstream().publish(`${prefix}src.a`, 'large')
    await engine.publish('both.a', 1)
    const consumer = await engine.consumer('both', { name: 'c', filter: `cairn.kv.${prefix}.>`, outside: true })
    expect(await take(consumer, 1)).toMatchObject([{ subject: `cairn.kv.${prefix}.a`, payload: '', sourceSequence: 1 }])
    expect(await take(await engine.consumer('both', { name: 'd', filter: 'both.>' }), 1)).toMatchObject([{ subject: 'both.a', payload: 1 }])
    await engine.ensureStream({ ...stream, alsoSubjects: [] })
    expect((await engine.status('both')).subjects).toEqual(['both.>'])
  })

  it('are followed across a restart of the server, each message once', { timeout: 60_000 }, async () => {
    const server = await startNats()
    onTestFinished(() => server.dispose())
    const engine = await openJetStreamStreams({ servers: [server.url] })
    onTestFinished(() => engine.close())
    await engine.ensureStream({ name: 'load', subjects: ['load.>'] })
    const seen: unknown[] = []
    const following = (async () => {
      for await (const { payload } of engine.tail('load', { from: 'all' })) if (seen.push(payload) === 300) return
    })()
    for (let n = 0; n < 300; n++) {
      if (n === 100) await server.kill9().then(() => server.restart())
      while ((await codeOf(engine.publish('load.a', n, { id: `m${n}` }))) !== 'no error') await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await following
    expect(seen).toEqual(Array.from({ length: 300 }, (_, n) => n))
  })
})
