import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, type TailedEvent } from '../../../src/index.ts'
import { fromWireSubject, toWireFilter, toWireSubject } from '../../../src/domains/events/subjects.ts'
import { patternsOverlap } from '../../../src/engines/stream/index.ts'
import { codeOf } from '../../engines/stream/stream-conformance.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'
import { takeEvents } from './take-events.ts'

describe('the tenant in subjects', () => {
  it('goes in and out at the third place', () => {
    expect(toWireSubject('tasks.created.42', 'acme')).toBe('tasks.created.acme.42')
    expect(fromWireSubject('tasks.created.acme.42.more', 'acme')).toBe('tasks.created.42.more')
    expect(() => fromWireSubject('tasks.created.acme.42', 'globex')).toThrow(/another tenant/)
  })

  it.each([
    ['>', 'tasks.*.acme.>'], ['tasks.>', 'tasks.*.acme.>'], ['*.>', 'tasks.*.acme.>'], ['tasks.started.>', 'tasks.started.acme.>'], ['tasks.*.>', 'tasks.*.acme.>'],
    ['*.*.*', 'tasks.*.acme.*'], ['tasks.started.42', 'tasks.started.acme.42'], ['*.started.*.x', 'tasks.started.acme.*.x'], ['tasks.started.globex.>', 'tasks.started.acme.globex.>'],
  ])('makes of the filter %s the filter %s', (filter, wire) => {
    expect(toWireFilter(filter, 'acme', 'tasks')).toBe(wire)
  })

  it('matches no subject of another tenant with any filter', () => {
    const words = ['*', '>', 'a', 'globex', 'acme', 'tasks', 'started']
    let tried = 0
    for (const one of words) for (const two of ['', ...words]) for (const three of ['', ...words]) for (const four of ['', ...words]) {
      const filter = [one, two, three, four].filter((word) => word !== '').join('.')
      let wire: string
      try {
        wire = toWireFilter(filter, 'acme', 'tasks')
      } catch {
        continue
      }
      tried++
      expect(wire.split('.')[2], filter).toBe('acme')
      for (const entity of ['acme', 'acme.acme', 'a.globex', 'globex.acme.started']) {
        for (const event of ['acme', 'started', 'globex']) expect(patternsOverlap(wire, toWireSubject(`tasks.${event}.${entity}`, 'globex')), `${filter} → ${wire}`).toBe(false)
      }
    }
    expect(tried).toBeGreaterThan(100)
  })
})

describe.each(cairnTargets)('events of two tenants ($name)', (target) => {
  let opened: Awaited<ReturnType<typeof openCairn>>
  let acme: Cairn
  let globex: Cairn

  beforeAll(async () => {
    opened = await openCairn(target, { tenant: 'acme' })
    acme = opened.cairn
    globex = acme.as({ tenant: 'globex' })
  })
  afterAll(() => opened?.dispose())

  it('go to their own tenant, also with the same ids, consumers and entities', async () => {
    for (const [cairn, name] of [[acme, 'acme'], [globex, 'globex']] as const) {
      // As if the tenant could be chosen by the subject.
      for (const entity of ['shared', 'globex', 'acme', 'globex.shared']) await cairn.events.publish(`events.said.${entity}`, name, { id: `id-${entity}` })
    }
    for (const [cairn, name] of [[acme, 'acme'], [globex, 'globex']] as const) {
      for (const filter of ['>', 'events.>', 'events.said.>']) {
        const got = await takeEvents(cairn, { stream: 'EVENTS', consumer: `same${filter.length}`, filter, batch: 10 }, 4)
        expect(got.map(({ payload }) => payload), filter).toEqual(Array(4).fill(name))
        expect(got.map(({ subject, id }) => [subject, id]).sort()).toEqual(['acme', 'globex', 'globex.shared', 'shared'].map((entity) => [`events.said.${entity}`, `id-${entity}`]))
      }
      // Nothing else comes: what is published now is the next.
      const sneaking = `events.said.${name === 'acme' ? 'globex' : 'acme'}.said`
      await cairn.events.publish(sneaking, 'now')
      for (const options of [{ consumer: 'same1' }, { consumer: 'sneak', filter: sneaking }]) {
        expect((await takeEvents(cairn, { stream: 'EVENTS', ...options }, 1)).map(({ payload }) => payload), options.consumer).toEqual(['now'])
      }
    }
  })

  it('are tailed by their own tenant only, changes of state included', async () => {
    const seen: TailedEvent[] = []
    const stop = new AbortController()
    const following = (async () => {
      for await (const event of globex.events.tail({ stream: 'AGENT_STATE', signal: stop.signal })) seen.push(event)
    })()
    // It follows when something of its own arrives.
    const own = await globex.agents.register({ name: 'own', type: 'analyst' })
    let n = 0
    await until('it follows', async () => {
      await globex.state.set(own.id, 'k', ++n)
      return seen.some(({ subject }) => subject.startsWith('agents.state.'))
    })
    const foreign = await acme.agents.register({ name: 'foreign', type: 'analyst' })
    await acme.state.set(foreign.id, 'secret', 1)
    await globex.state.set(own.id, 'last', 1)
    await globex.agents.setStatus(own.id, 'active')
    await until('the last are seen', () => seen.some(({ payload }) => (payload as { key?: string }).key === 'last') && seen.some(({ payload }) => (payload as { newStatus?: string }).newStatus === 'active'))
    stop.abort()
    await following
    expect(seen.filter(({ subject, payload }) => !subject.endsWith(own.id) || JSON.stringify(payload).includes('secret'))).toEqual([])
  })

  it('leave dead letters, consumers and status to their own tenant', async () => {
    await acme.events.publish('events.dead.a', 'mine')
    await takeEvents(acme, { stream: 'EVENTS', consumer: 'undertaker', filter: 'events.dead.>', maxDeliver: 1 }, 1, 10_000, (event) => event.retry())
    await until('it is dead', async () => (await acme.events.deadLetters()).items.length === 1)
    const [letter] = (await acme.events.deadLetters()).items
    expect((await globex.events.deadLetters()).items).toEqual([])
    expect(await codeOf(globex.events.redrive(letter?.id as string))).toBe('NOT_FOUND')
    expect(await globex.events.discard(letter?.id as string)).toBe(false)
    expect(JSON.stringify((await globex.events.status()).streams)).not.toContain('undertaker')
    expect(await globex.events.removeConsumer('EVENTS', 'undertaker')).toBe(false)
    expect(JSON.stringify((await acme.events.status()).streams)).toContain('undertaker')
    expect(await acme.events.removeConsumer('EVENTS', 'undertaker')).toBe(true)
    expect((await acme.events.deadLetters()).items).toHaveLength(1)
  })

  it('cannot be written into the log of another, by SQL either', async () => {
    const { sql } = acme.engines
    const insert = (tenant: string, subject: string): Promise<unknown> =>
      sql.query(acme.identity, `INSERT INTO tx.outbox (tenant_id, stream, msg_id, subject, payload) VALUES ($1, 'EVENTS', gen_random_uuid()::text, $2, '1')`, [tenant, subject])
    expect(await codeOf(insert('acme', 'events.said.globex.x'))).toBe('CONSTRAINT_VIOLATION')
    expect(await codeOf(insert('globex', 'events.said.globex.x'))).toBe('PERMISSION_DENIED')
    expect(await codeOf(sql.query(acme.identity, `SELECT tx.emit('events.said.x', '1', tenant => 'globex')`))).toBe('PERMISSION_DENIED')
    const foreignTx = sql.transaction(globex.identity, (tx) => acme.events.publish('events.said.x', 1, { tx }))
    expect(await codeOf(foreignTx)).toBe('PERMISSION_DENIED')
  })

  // proves S4-11.4-02
  it('are emitted by SQL in the transaction, with large payloads as a note of their size', async () => {
    const { sql } = acme.engines
    await sql.transaction(acme.identity, async (session) => {
      await session.query(`SELECT tx.emit('tasks.created.t9', jsonb_build_object('status', 'queued'), msg_id => 'emit-1')`)
      await session.query(`SELECT tx.emit('tasks.updated.t9', to_jsonb(repeat('x', 2000000)))`)
      expect((await session.query<{ id: unknown }>(`SELECT tx.emit('tasks.created.t9', '1', msg_id => 'emit-1') AS id`)).rows[0]?.id).toBeNull()
    })
    const got = await takeEvents(acme, { stream: 'TASK_EXECUTION', consumer: 'emitted', filter: 'tasks.*.t9' }, 2)
    expect(got.map(({ subject, payload }) => [subject, payload])).toEqual([['tasks.created.t9', { status: 'queued' }], ['tasks.updated.t9', { truncated: true, bytes: 2_000_002 }]])
    for (const subject of ['tasks.created', 'a b.c.d', 'tasks.nothing.x', 'tasks.created.*']) expect(await codeOf(sql.query(acme.identity, 'SELECT tx.emit($1)', [subject])), subject).not.toBe('no error')
  })

  it('goes on behind any event of what it begins with: nothing of the newest is lost, wherever the reader breaks off', async () => {
    const own = acme.as({ tenant: 'resuming' })
    // With servers, changes of state are copied from the first reader on.
    const stop = new AbortController()
    const live = await own.events.follow({ stream: 'AGENT_STATE', signal: stop.signal })
    const { id } = await own.agents.register({ name: 'resumed', type: 'analyst' })
    for (const key of ['a', 'b', 'c', 'd']) await own.state.set(id, key, key)
    const nameOf = ({ subject, payload }: TailedEvent): string => `${subject.split('.')[1]} ${(payload as { key?: string }).key ?? ''}`
    const wanted = ['lifecycle ', 'state a', 'state b', 'state c', 'state d']
    const read = async (place: { from: 'last' } | { after: string }, seen: Set<string>, enough: (events: number) => boolean): Promise<string> => {
      let cursor = ''
      let events = 0
      for await (const event of own.events.tail({ stream: 'AGENT_STATE', ...place, signal: AbortSignal.timeout(10_000) })) {
        seen.add(nameOf(event))
        cursor = event.cursor
        if (enough(++events)) break
      }
      return cursor
    }
    const all = (seen: Set<string>) => (): boolean => wanted.every((name) => seen.has(name))
    const whole = new Set<string>()
    for await (const event of live) {
      whole.add(nameOf(event))
      if (all(whole)()) stop.abort()
    }
    for (let cut = 1; cut < wanted.length; cut++) {
      const seen = new Set<string>()
      const after = await read({ from: 'last' }, seen, (events) => events === cut)
      await read({ after }, seen, all(seen))
      expect([...seen].sort(), `after ${cut}`).toEqual(wanted)
    }
  })
})
