import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MAINTENANCE } from '../../src/identity/index.ts'
import { type Cairn, type CairnOptions, DATA_TYPES, isCairnError, open } from '../../src/index.ts'
import { contains } from '../../src/state/routing/matches.ts'
import { cairnTargets, openCairn, until } from '../harness/cairns.ts'
import { startNats } from '../harness/nats-server.ts'

/** Sessions of this database that wait for a lock. */
const WAITING = 'SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = current_database()'

async function codeOf(run: () => unknown): Promise<string> {
  return Promise.resolve().then(run).then(() => 'no error', (error: unknown) => (isCairnError(error) ? error.code : String(error)))
}

describe.each(cairnTargets)('the data router ($name)', (target) => {
  let opened: Awaited<ReturnType<typeof openCairn>>
  let cairn: Cairn
  let thread: string
  beforeAll(async () => {
    opened = await openCairn(target)
    cairn = opened.cairn
    await cairn.agents.register({ name: 'scout', type: 'analyst' })
    await cairn.as({ tenant: 'other' }).agents.register({ name: 'scout', type: 'analyst' })
    const session = await cairn.conversations.createSession({ type: 'group' })
    thread = (await cairn.conversations.createThread({ sessionId: session.id })).id
  })
  afterAll(() => opened?.dispose())

  // proves S4-1.2-01, S4-1.2-02
  it('sends each type of data to its layers, and names what this build does not keep', async () => {
    expect(DATA_TYPES.map((type) => [type, cairn.storage.selectStorage(type).join(' ')])).toEqual([
      ['session', 'distributed_kv'],
      ['agent_state', 'memory_cache distributed_kv relational_db'],
      ['task', 'relational_db'],
      ['message', 'relational_db'],
      ['knowledge', 'relational_db'],
    ])
    expect(await codeOf(() => cairn.storage.for('tasks' as 'task'))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => cairn.storage.for('agent_state'))).toBe('INVALID_ARGUMENT')
    await cairn.storage.for('session').store('where', 1)
    await cairn.storage.for('knowledge').store('where', 1)
    expect(await (await cairn.engines.kv.bucket('SESSION_DATA')).get(['default', 'where'])).toMatchObject({ deleted: false })
    expect((await cairn.engines.sql.query(cairn.identity, `SELECT content FROM knowledge.documents WHERE document_key = 'where'`)).rows).toEqual([{ content: 1 }])
  })

  describe.each(['session', 'agent_state', 'knowledge'] as const)('%s', (type) => {
    const of = (who = cairn) => who.storage.for(type, { agent: 'scout' })

    // proves S4-1.1-02
    it('stores, retrieves, expects versions, removes', async () => {
      const storage = of()
      expect(await storage.retrieve('k')).toBeUndefined()
      expect(await codeOf(() => storage.retrieve('k', { strict: true }))).toBe('NOT_FOUND')
      expect(await codeOf(() => storage.store('k', 1, { ifVersion: 5 }))).toBe('VERSION_CONFLICT')
      const { version } = await storage.store('k', { a: [1, 'é'] }, { ifVersion: 0 })
      expect(await storage.retrieve('k')).toMatchObject({ key: 'k', value: { a: [1, 'é'] }, version })
      expect(await codeOf(() => storage.store('k', 2, { ifVersion: 0 }))).toBe('VERSION_CONFLICT')
      const next = await storage.store('k', 2, { ifVersion: version })
      expect(next.version).toBeGreaterThan(version)
      expect(await codeOf(() => storage.store('k', 3, { ifVersion: version }))).toBe('VERSION_CONFLICT')
      expect(await of(cairn.as({ tenant: 'other' })).retrieve('k')).toBeUndefined()
      expect(await of(cairn.as({ tenant: 'other' })).remove('k')).toBe(false)
      expect(await storage.remove('k')).toBe(true)
      expect(await storage.remove('k')).toBe(false)
      expect(await storage.retrieve('k')).toBeUndefined()
      expect(await codeOf(() => storage.store('k', Number.NaN))).toBe('SERIALIZATION_ERROR')
      expect(await codeOf(() => storage.store('', 1))).toBe('INVALID_ARGUMENT')
    })

    it('has one winner of several that expect the same version', async () => {
      const storage = of()
      const { version } = await storage.store('raced', 0)
      const codes = await Promise.all(Array.from({ length: 12 }, (_, n) => codeOf(() => storage.store('raced', n, { ifVersion: version }))))
      expect(codes.filter((code) => code === 'no error')).toHaveLength(1)
      expect(codes.filter((code) => code === 'VERSION_CONFLICT')).toHaveLength(11)
      await storage.remove('raced')
    })

    it('searches by prefix, content and time, a page at a time', async () => {
      const storage = of()
      const before = new Date(Date.now() - 60_000)
      for (let n = 0; n < 25; n++) await storage.store(`doc/${String(n).padStart(2, '0')}`, { n, even: n % 2 === 0, tags: ['a', { x: n }] })
      await storage.store('else', { even: true })
      const keys: string[] = []
      let cursor: string | undefined
      do {
        const page = await storage.search({ prefix: 'doc/', where: { even: true, tags: ['a'] }, updatedAfter: before, limit: 4, ...(cursor === undefined ? {} : { cursor }) })
        expect(page.items.length).toBeLessThanOrEqual(4)
        keys.push(...page.items.map(({ key }) => key))
        cursor = page.nextCursor ?? undefined
      } while (cursor !== undefined)
      expect(keys).toEqual(Array.from({ length: 13 }, (_, n) => `doc/${String(2 * n).padStart(2, '0')}`))
      expect((await storage.search({ where: { tags: [{ x: 3 }] } })).items.map(({ key }) => key)).toEqual(['doc/03'])
      expect((await storage.search({ updatedBefore: before })).items).toEqual([])
      expect(await codeOf(() => storage.search({ cursor: 'nonsense' }))).toBe('INVALID_CURSOR')
      expect((await of(cairn.as({ tenant: 'other' })).search()).items).toEqual([])
    })

    it('says of what has expired that it has, when asked strictly; knowledge has no time to live', async () => {
      const storage = of()
      if (type === 'knowledge') {
        expect(await codeOf(() => storage.store('k', 1, { ttlMs: 1 }))).toBe('INVALID_ARGUMENT')
        return
      }
      await storage.store('short', 1, { ttlMs: 30 })
      await until('it has expired', async () => (await storage.retrieve('short')) === undefined)
      expect(await codeOf(() => storage.retrieve('short', { strict: true }))).toBe('TTL_EXPIRED')
      expect((await storage.search({ prefix: 'short' })).items).toEqual([])
      expect((await storage.store('short', 2, { ifVersion: 0 })).version).toBeGreaterThan(0)
    })
  })

  it('knowledge: a document that is removed does not come back at a version it had, nor while it is stored', async () => {
    const storage = cairn.storage.for('knowledge')
    const { version } = await storage.store('again', 1)
    await storage.remove('again')
    expect((await storage.store('again', 2)).version).toBeGreaterThan(version)
    expect(await codeOf(() => storage.store('again', 3, { ifVersion: version }))).toBe('VERSION_CONFLICT')
    if (!cairn.engines.sql.capabilities.concurrentTransactions) return
    const { version: now } = await storage.store('again', 4)
    let stored: Promise<string> | undefined
    await cairn.engines.sql.transaction(cairn.identity, async (session) => {
      await session.query(`DELETE FROM knowledge.documents WHERE tenant_id = 'default' AND document_key = 'again'`)
      stored = codeOf(() => storage.store('again', 5, { ifVersion: now }))
      await until('it waits', async () => (await cairn.engines.sql.query(MAINTENANCE, WAITING)).rowCount > 0)
    })
    expect(await stored).toBe('VERSION_CONFLICT')
    expect(await storage.retrieve('again')).toBeUndefined()
  })

  it('keeps messages by key, in the order in which they were said, and never removes one', async () => {
    const storage = cairn.storage.for('message', { thread })
    for (let n = 0; n < 5; n++) await storage.store(`m${n}`, { author: { kind: 'user', label: 'me' }, content: `said ${n}` })
    expect(await storage.retrieve('m3')).toMatchObject({ key: 'm3', value: { content: 'said 3' }, version: 1 })
    const page = await storage.search({ limit: 2 })
    expect(page.items.map(({ key }) => key)).toEqual(['m0', 'm1'])
    expect((await storage.search({ limit: 2, cursor: page.nextCursor as string })).items.map(({ key }) => key)).toEqual(['m2', 'm3'])
    expect(await codeOf(() => storage.remove('m0'))).toBe('CAPABILITY_MISSING')
    expect(await codeOf(() => storage.retrieve('none', { strict: true }))).toBe('NOT_FOUND')
    expect(await codeOf(() => cairn.storage.for('message').search())).toBe('INVALID_ARGUMENT')
  })

  // proves S1-26-01, S1-26-02
  it('saves and loads the whole session data of an agent, one active session each, the expired one not', async () => {
    const { agentSessions } = cairn.storage
    expect(await agentSessions.load('scout')).toEqual({})
    const { sessionId } = await agentSessions.save('scout', { step: 1 })
    await Promise.all(Array.from({ length: 8 }, (_, n) => agentSessions.save('scout', { step: 2, n })))
    expect(await agentSessions.load('scout')).toMatchObject({ step: 2 })
    expect((await agentSessions.save('scout', { step: 3 }, { ttlMs: 30 })).sessionId).toBe(sessionId)
    await until('it has expired', async () => Object.keys(await agentSessions.load('scout')).length === 0)
    expect((await agentSessions.save('scout', { step: 4 })).sessionId).not.toBe(sessionId)
    expect(await agentSessions.load('scout')).toEqual({ step: 4 })
    expect(await cairn.as({ tenant: 'other' }).storage.agentSessions.load('scout')).toEqual({})
    expect(await codeOf(() => agentSessions.save('nobody', {}))).toBe('AGENT_NOT_FOUND')
    expect(await codeOf(() => agentSessions.save('scout', [] as unknown as Record<string, unknown>))).toBe('INVALID_ARGUMENT')
    expect(await agentSessions.end('scout')).toBe(true)
    expect(await agentSessions.load('scout')).toEqual({})
  })

  it('means by "contains" what PostgreSQL means', async () => {
    const values = [1, 'a', null, true, [], {}, [1, 2], [[1]], { a: 1 }, { a: { b: [1, { c: 2 }] } }, [{ a: 1, b: 2 }], { a: [] }]
    for (const value of values) {
      for (const pattern of values) {
        const { rows } = await cairn.engines.sql.query<{ yes: boolean }>(cairn.identity, 'SELECT $1::jsonb @> $2::jsonb AS yes', [JSON.stringify(value), JSON.stringify(pattern)])
        expect(contains(value, pattern), `${JSON.stringify(value)} @> ${JSON.stringify(pattern)}`).toBe(rows[0]?.yes)
      }
    }
  })
})

describe.each(cairnTargets)('session data ($name)', (target) => {
  it('is kept again once KV answers, though it did not when the bucket was first opened, and says CLOSED after the end', { timeout: 60_000 }, async () => {
    const nats = target.name === 'servers' ? await startNats() : undefined
    const place = await target.place(nats === undefined ? {} : { natsUrl: nats.url })
    const cairn = await open({ ...place.options, ...(nats === undefined ? {} : { nats: { ...(place.options.nats as object), requestTimeoutMs: 1_000 } as NonNullable<CairnOptions['nats']> }) })
    try {
      const sessions = cairn.storage.for('session')
      if (nats !== undefined) {
        process.kill(nats.pid, 'SIGSTOP')
        await until('it is stopped', () => Promise.race([cairn.engines.kv.ping().then(() => false, () => true), new Promise<boolean>((resolve) => setTimeout(resolve, 300, true))]))
        expect(await codeOf(() => sessions.store('k', 1))).toMatch(/TIMEOUT|UNAVAILABLE|UNKNOWN/)
        process.kill(nats.pid, 'SIGCONT')
      }
      await until('it is stored', async () => (await codeOf(() => sessions.store('k', 1))) === 'no error', 20_000)
      await cairn.close()
      expect(await codeOf(() => sessions.store('k', 1))).toBe('CLOSED')
    } finally {
      await cairn.close()
      await place.dispose()
      await nats?.dispose()
    }
  })
})
