import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, CairnError, type Page, type Saga, type SagaStep, type SagaWithSteps } from '../../../src/index.ts'
import { cairnTargets, openCairn, uniqueId, refusal } from './saga-world.ts'

describe.each(cairnTargets)('sagas ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>
  let agent: string

  beforeAll(async () => {
    const opened = await openCairn(target)
    cairn = opened.cairn
    dispose = opened.dispose
    agent = (await cairn.agents.register({ name: 'clerk', type: 'operator' })).id
  })
  afterAll(() => dispose?.())

  const sessions = async (key: string): Promise<{ title: string | null }[]> => {
    const found = await cairn.conversations.findSession(key)
    return found === null ? [] : [{ title: found.title }]
  }
  async function ended(steps: readonly SagaStep[], options: Parameters<Cairn['sagas']['define']>[2] = {}, input: unknown = {}): Promise<SagaWithSteps> {
    const name = uniqueId('saga')
    cairn.sagas.define(name, steps, options)
    const { id } = await cairn.sagas.start(name, input)
    return cairn.sagas.wait(id, { timeoutMs: 20_000 })
  }
  const newSession = (key: string, title = 'new') => ({ name: 'insert', insert: () => ({ table: 'conversations.chat_sessions', row: { chat_session_id: randomUUID(), chat_session_key: key, title, session_type: 'individual' } }) })
  const fails = (error: Error = new CairnError('INVALID_ARGUMENT', 'no more')) => ({ name: 'fails', retries: 0, run: () => Promise.reject(error) })

  // proves S4-5.4-01
  // proves S4-5.4-02
  it('runs its steps in order and hands results on', async () => {
    const order: string[] = []
    const key = uniqueId('k')
    const saga = await ended([
      { name: 'one', run: ({ stepKey, input }) => (order.push(stepKey), { n: (input as { n: number }).n }) },
      newSession(key),
      { name: 'state', setState: ({ results }) => ({ agent, key, value: (results['one'] as { n: number }).n + 1 }) },
      { name: 'last', run: ({ results }) => order.push(Object.keys(results).join()) },
    ], {}, { n: 4 })
    expect(saga).toMatchObject({ status: 'completed', error: null, correlationId: saga.id, strategy: 'saga_pattern' })
    expect(saga.steps.map((step) => step.status)).toEqual(['done', 'done', 'done', 'done'])
    expect(order).toEqual([`default:${saga.id}:1`, 'one,insert,state'])
    expect((await cairn.state.get(agent, key))?.value).toBe(5)
    expect(await sessions(key)).toEqual([{ title: 'new' }])
  })

  // proves S4-5.4-04
  // proves S4-5.4-05
  it('compensates in reverse: rows and state are what they were', async () => {
    const [fresh, changed, erased, added] = [uniqueId('a'), uniqueId('b'), uniqueId('c'), uniqueId('d')]
    const old = await cairn.conversations.createSession({ key: changed, title: 'old', context: { big: 1.5 } })
    await cairn.conversations.createSession({ key: erased, title: 'kept', context: { x: [1, 'é', null] } })
    const keptBefore = await cairn.conversations.getSession(erased)
    await cairn.state.set(agent, changed, { v: 1 })
    await cairn.state.set(agent, erased, ['kept'])
    const undone: string[] = []
    const saga = await ended([
      { name: 'code', run: () => 7, compensate: ({ results, compensationKey }) => undone.push(`code ${String(results['code'])} ${compensationKey.endsWith(':1:undo')}`) },
      newSession(fresh),
      { name: 'update', update: { table: 'conversations.chat_sessions', where: { chat_session_key: changed }, set: { title: 'new', context: { big: 2 } } } },
      { name: 'update again', update: { table: 'conversations.chat_sessions', where: { chat_session_id: old.id }, set: { title: 'newer' } } },
      { name: 'delete', delete: { table: 'conversations.chat_sessions', where: { chat_session_key: erased } } },
      { name: 'transaction', transaction: (session) => session.query(`UPDATE conversations.chat_sessions SET title = 'tx' WHERE tenant_id = 'default' AND chat_session_key = $1`, [fresh]).then(() => 1), compensateTransaction: (session) => session.query(`UPDATE conversations.chat_sessions SET title = 'new' WHERE tenant_id = 'default' AND chat_session_key = $1`, [fresh]) },
      { name: 'set', setState: { agent, key: changed, value: { v: 2 } } },
      { name: 'set again', setState: { agent, key: changed, value: { v: 3 } } },
      { name: 'set new', setState: { agent, key: added, value: 1 } },
      { name: 'erase', deleteState: { agent, key: erased } },
      { name: 'erase nothing', deleteState: { agent, key: 'never there' } },
      { name: 'code 2', run: () => 8, compensate: () => undone.push('code 2') },
      fails(),
    ])
    expect(saga, JSON.stringify(saga.steps.map((s) => [s.name, s.status, s.error]))).toMatchObject({ status: 'compensated', error: { code: 'INVALID_ARGUMENT', message: 'no more' }, failedStep: 'fails' })
    expect(undone).toEqual(['code 2', 'code 7 true'])
    expect(await sessions(fresh)).toEqual([])
    expect(await cairn.conversations.getSession(changed)).toMatchObject({ title: 'old', context: { big: 1.5 } })
    const kept = await cairn.conversations.getSession(erased)
    expect({ ...kept, updatedAt: null }).toEqual({ ...keptBefore, updatedAt: null })
    expect((await cairn.state.get(agent, changed))?.value).toEqual({ v: 1 })
    expect((await cairn.state.get(agent, erased))?.value).toEqual(['kept'])
    expect(await cairn.state.get(agent, added)).toBeUndefined()
    expect(saga.steps.map((step) => step.status)).toEqual([...Array.from({ length: 12 }, () => 'compensated'), 'failed'])
  })

  it('keeps numbers that JavaScript cannot hold and times to the microsecond in its images', async () => {
    const key = uniqueId('k')
    await cairn.conversations.createSession({ key })
    await cairn.engines.sql.query(cairn.identity, `UPDATE conversations.chat_sessions SET context = '{"n": 123456789012345678901234567890}', created_at = '2026-01-01 00:00:00.123456+00' WHERE tenant_id = 'default' AND chat_session_key = $1`, [key])
    await ended([{ name: 'delete', delete: { table: 'conversations.chat_sessions', where: { chat_session_key: key } } }, fails()])
    const { rows } = await cairn.engines.sql.query(cairn.identity, `SELECT context::text AS c, to_char(created_at AT TIME ZONE 'UTC', 'US') AS us FROM conversations.chat_sessions WHERE tenant_id = 'default' AND chat_session_key = $1`, [key])
    expect(rows).toEqual([{ c: '{"n": 123456789012345678901234567890}', us: '123456' }])
  })

  // proves S4-5.4-04
  it('leaves a row or key that others changed since to an operator, who can mend and retry', async () => {
    const key = uniqueId('k')
    await cairn.conversations.createSession({ key, title: 'old' })
    await cairn.state.set(agent, key, 'old')
    const meddle = async (): Promise<never> => {
      await cairn.state.set(agent, key, 'foreign')
      await cairn.engines.sql.query(cairn.identity, `UPDATE conversations.chat_sessions SET title = 'foreign' WHERE tenant_id = 'default' AND chat_session_key = $1`, [key])
      throw new CairnError('INVALID_ARGUMENT', 'after meddling')
    }
    const saga = await ended([
      { name: 'update', update: { table: 'conversations.chat_sessions', where: { chat_session_key: key }, set: { title: 'ours' } } },
      { name: 'set', setState: { agent, key, value: 'ours' } },
      { name: 'meddle', run: meddle },
    ])
    expect(saga).toMatchObject({ status: 'manual_intervention', error: { code: 'COMPENSATION_FAILED' }, failedStep: 'set' })
    expect((await cairn.state.get(agent, key))?.value).toBe('foreign')
    expect((await cairn.sagas.list({ status: 'manual_intervention' })).items.map(({ id }) => id)).toContain(saga.id)

    await cairn.sagas.retry(saga.id)
    expect(await cairn.sagas.wait(saga.id)).toMatchObject({ status: 'manual_intervention', failedStep: 'set' })
    await cairn.sagas.skip(saga.id)
    expect(await cairn.sagas.wait(saga.id)).toMatchObject({ status: 'manual_intervention', failedStep: 'update' })
    await cairn.engines.sql.query(cairn.identity, `UPDATE conversations.chat_sessions SET title = 'ours' WHERE tenant_id = 'default' AND chat_session_key = $1`, [key])
    await cairn.sagas.retry(saga.id)
    expect((await cairn.sagas.wait(saga.id)).steps.map((step) => step.status)).toEqual(['compensated', 'skipped', 'failed'])
    expect(await sessions(key)).toEqual([{ title: 'old' }])
    await refusal(cairn.sagas.retry(saga.id), 'INVALID_TRANSITION')
  })

  // proves S4-5.4-06
  it('gives a compensation its time and retries, then asks an operator, who can resolve', async () => {
    let tries = 0
    const saga = await ended([{ name: 'stuck', run: () => 1, compensate: () => (tries++, new Promise(() => undefined)) }, fails()], { compensation: { timeoutMs: 30, retries: 2 } })
    expect(saga).toMatchObject({ status: 'manual_intervention', error: { code: 'COMPENSATION_FAILED' }, failedStep: 'stuck' })
    expect(tries).toBe(3)
    expect(saga.steps[0]).toMatchObject({ status: 'compensation_failed', compensationAttempts: 3, error: { code: 'TIMEOUT' } })
    const resolved = await cairn.as({ actor: { kind: 'user', id: 'olga' } }).sagas.resolve(saga.id, { outcome: 'compensated', note: 'refunded by hand' })
    expect(resolved).toMatchObject({ status: 'compensated', resolvedBy: 'user:olga', resolutionNote: 'refunded by hand' })
    expect(resolved.finishedAt).toBeInstanceOf(Date)
    await refusal(cairn.sagas.resolve(saga.id, { outcome: 'completed' }), 'INVALID_TRANSITION')
  })

  it('retries what may pass, and compensates a step whose outcome is not known', async () => {
    let tries = 0
    const undone: boolean[] = []
    const good = await ended([{ name: 'flaky', run: () => (++tries < 3 ? Promise.reject(new Error('not yet')) : tries) }])
    expect(good).toMatchObject({ status: 'completed', steps: [{ attempts: 3, result: 3 }] })
    const bad = await ended([{ name: 'slow', timeoutMs: 20, retries: 1, run: () => new Promise(() => undefined), compensate: ({ uncertain }) => undone.push(uncertain) }])
    expect(bad).toMatchObject({ status: 'compensated', error: { code: 'TIMEOUT' }, steps: [{ attempts: 2, status: 'compensated' }] })
    expect(undone).toEqual([true])
  })

  it('undoes a step whose result cannot be kept', async () => {
    let undone = 0
    const saga = await ended([{ name: 'bad result', run: () => ({ n: 1n }), compensate: () => undone++ }])
    expect(saga).toMatchObject({ status: 'compensated', error: { code: 'SERIALIZATION_ERROR' } })
    expect(undone).toBe(1)
  })

  // proves S4-5.4-03
  it('looks at the SQL part before it commits', async () => {
    const key = uniqueId('k')
    let isolation = ''
    const saga = await ended([{ name: 'set', setState: { agent, key, value: 1 } }, newSession(key)], {
      check: async (session) => {
        isolation = String((await session.query<{ transaction_isolation: string }>('SHOW transaction_isolation')).rows[0]?.transaction_isolation)
        return (await session.query('SELECT 1 FROM conversations.chat_sessions WHERE tenant_id = $1 AND chat_session_key = $2', ['default', key])).rowCount !== 1
      },
    })
    expect(isolation).toBe('repeatable read')
    expect(saga).toMatchObject({ status: 'compensated', error: { code: 'SAGA_CHECK_FAILED' } })
    expect(await sessions(key)).toEqual([])
    expect(await cairn.state.get(agent, key)).toBeUndefined()
  })

  // proves S4-5.4-01
  it('eventual consistency: state follows only after SQL has committed, and never when it has not', async () => {
    const [good, bad] = [uniqueId('k'), uniqueId('k')]
    const steps = (key: string, table: string): SagaStep[] => [
      { name: 'state', setState: ({ results }) => ({ agent, key, value: results['insert'] }) },
      newSession(key),
      { name: 'second', update: { table, where: { chat_session_key: key }, set: { title: 'second' } } },
    ]
    const done = await ended(steps(good, 'conversations.chat_sessions'), { strategy: 'eventual_consistency' })
    expect(done).toMatchObject({ status: 'completed', strategy: 'eventual_consistency' })
    expect((await cairn.state.get(agent, good))?.value).toEqual(done.steps[1]?.result)
    const failed = await ended(steps(bad, 'conversations.nowhere'), { strategy: 'eventual_consistency' })
    expect(failed).toMatchObject({ status: 'compensated', failedStep: 'second', error: { code: 'INVALID_ARGUMENT' } })
    expect(await sessions(bad)).toEqual([])
    expect(await cairn.state.get(agent, bad)).toBeUndefined()
  })

  it('eventual consistency: what can never be applied waits for an operator; nothing is taken back', async () => {
    const key = uniqueId('k')
    const saga = await ended([newSession(key), { name: 'state', setState: { agent: 'nobody', key, value: 1 } }, { name: 'more', setState: { agent, key, value: 2 } }], { strategy: 'eventual_consistency' })
    expect(saga).toMatchObject({ status: 'manual_intervention', error: { code: 'AGENT_NOT_FOUND' }, failedStep: 'state' })
    expect(await sessions(key)).toHaveLength(1)
    await cairn.sagas.skip(saga.id)
    expect(await cairn.sagas.wait(saga.id)).toMatchObject({ status: 'completed', steps: [{ status: 'done' }, { status: 'skipped' }, { status: 'done' }] })
    expect((await cairn.state.get(agent, key))?.value).toBe(2)
  })

  it('is started once by any number of callers with one id', async () => {
    const name = uniqueId('saga')
    let runs = 0
    cairn.sagas.define(name, [{ name: 'count', run: () => ++runs }])
    const id = uniqueId('order')
    const started = await Promise.all(Array.from({ length: 20 }, () => cairn.sagas.start(name, { b: 1, a: 2 }, { id })))
    expect(new Set(started.map((saga) => saga.id))).toEqual(new Set([id]))
    await cairn.sagas.wait(id)
    expect(await cairn.sagas.start(name, { a: 2, b: 1 }, { id })).toMatchObject({ status: 'completed' })
    expect(runs).toBe(1)
    await refusal(cairn.sagas.start(name, { a: 3 }, { id }), 'DUPLICATE_KEY')
    await refusal(cairn.sagas.start(name, {}, { correlationId: id }), 'DUPLICATE_KEY')
    // The id and the correlation have an index each: callers meet now in the one, now in the other.
    await Promise.all(Array.from({ length: 200 }, async (_, round) => {
      const same = `${id}-${round % 20}`
      expect(await cairn.sagas.start(name, { b: 1 }, { id: same })).toMatchObject({ id: same })
    }))
  })

  it('refuses bad input and goes on', async () => {
    const { sagas } = cairn
    const define = (steps: unknown, options: unknown = {}) => Promise.resolve().then(() => sagas.define(uniqueId('bad'), steps as SagaStep[], options as object))
    await refusal(sagas.start('nobody defined this', {}), 'NOT_FOUND')
    await refusal(define([]), 'INVALID_ARGUMENT')
    await refusal(define(null), 'INVALID_ARGUMENT')
    await refusal(define([{ name: 'a', run: () => 1 }, { name: 'a', run: () => 2 }]), 'INVALID_ARGUMENT')
    await refusal(define([{ name: 'a' }]), 'INVALID_ARGUMENT')
    await refusal(define([{ name: 'a', run: () => 1, insert: {} }]), 'INVALID_ARGUMENT')
    await refusal(define([{ name: 'a', run: 'no' }]), 'INVALID_ARGUMENT')
    await refusal(define([{ name: 'a', run: () => 1, retries: -1 }]), 'INVALID_ARGUMENT')
    await refusal(define([{ name: 'a', run: () => 1 }], { strategy: 'hope' }), 'INVALID_ARGUMENT')
    await refusal(define([{ name: 'a', run: () => 1 }], { strategy: 'eventual_consistency' }), 'INVALID_ARGUMENT')
    await refusal(define([{ name: 'a', transaction: () => 1 }], { strategy: 'two_phase_commit' }), 'CAPABILITY_MISSING')
    const name = uniqueId('twice')
    sagas.define(name, [{ name: 'a', run: () => 1 }])
    expect(() => sagas.define(name, [{ name: 'a', run: () => 1 }])).toThrow('defined already')
    sagas.define(name, [{ name: 'a', run: () => 1 }], { version: '2' })
    await refusal(sagas.start(name, { f: () => 1 }), 'SERIALIZATION_ERROR')
    await refusal(sagas.start(name, 1n), 'SERIALIZATION_ERROR')
    await refusal(sagas.start(name, 'x'.repeat(1_100_000)), 'PAYLOAD_TOO_LARGE')
    for (const id of ['', 'a b', 'x'.repeat(101), 'é']) await refusal(sagas.start(name, {}, { id }), 'INVALID_ARGUMENT')
    await refusal(sagas.get('never'), 'NOT_FOUND')
    await refusal(sagas.retry('never'), 'NOT_FOUND')
    await refusal(sagas.list({ status: 'odd' as 'pending' }), 'INVALID_ARGUMENT')
    await refusal(sagas.list({ cursor: 'odd' }), 'INVALID_CURSOR')
    for (const [spec, code] of [
      [{ table: 'conversations.nowhere', row: { a: 1 } }, 'INVALID_ARGUMENT'],
      [{ table: 'conversations.chat_sessions; DROP TABLE tx.sagas', row: { a: 1 } }, 'INVALID_ARGUMENT'],
      [{ table: 'tx.leaders', row: { duty: 'x' } }, 'INVALID_ARGUMENT'],
      [{ table: 'conversations.chat_sessions', row: { 'title"; --': 1 } }, 'INVALID_ARGUMENT'],
      [{ table: 'conversations.chat_sessions', row: { tenant_id: 'other' } }, 'INVALID_ARGUMENT'],
      [{ table: 'conversations.chat_sessions', row: { session_type: 'odd' } }, 'INVALID_ARGUMENT'],
      [{ table: 'conversations.chat_sessions', row: null }, 'INVALID_ARGUMENT'],
    ] as const) {
      const saga = await ended([{ name: 'insert', insert: spec as never }])
      expect(saga, JSON.stringify(spec)).toMatchObject({ status: 'compensated', error: { code } })
    }
    expect(await ended([{ name: 'none', update: { table: 'conversations.chat_sessions', where: { chat_session_key: 'none' }, set: { title: 'x' } } }])).toMatchObject({ status: 'compensated', error: { code: 'NOT_FOUND' } })
  })

  it('one tenant neither sees nor touches the sagas and rows of another', async () => {
    const [one, two] = [cairn.as({ tenant: uniqueId('one') }), cairn.as({ tenant: uniqueId('two') })]
    const key = uniqueId('k')
    await two.conversations.createSession({ key, title: 'of two' })
    const name = uniqueId('saga')
    cairn.sagas.define(name, [
      newSession(key, 'of one'),
      { name: 'update', update: { table: 'conversations.chat_sessions', where: { chat_session_key: key }, set: { title: 'changed' } } },
      { name: 'who', run: async ({ tenant, transaction }) => [tenant, (await transaction((session) => session.query('SELECT 1 FROM conversations.chat_sessions WHERE chat_session_key = $1', [key]))).rowCount] },
    ])
    const id = uniqueId('same')
    await one.sagas.start(name, {}, { id })
    expect(await one.sagas.wait(id)).toMatchObject({ status: 'completed', steps: [{}, {}, { result: [one.identity.tenant, 1] }] })
    expect((await two.conversations.getSession(key)).title).toBe('of two')
    await refusal(two.sagas.get(id), 'NOT_FOUND')
    await refusal(two.sagas.retry(id), 'NOT_FOUND')
    await refusal(two.sagas.resolve(id, { outcome: 'completed' }), 'NOT_FOUND')
    expect((await two.sagas.list()).items).toEqual([])
    // The same id is another saga here; its insert meets the row that is there already.
    await two.sagas.start(name, {}, { id })
    expect(await two.sagas.wait(id)).toMatchObject({ status: 'compensated', error: { code: 'DUPLICATE_KEY' } })
    expect((await one.conversations.getSession(key)).title).toBe('changed')
  })

  it('lists newest first, a page at a time', async () => {
    const tenant = cairn.as({ tenant: uniqueId('pages') })
    const name = uniqueId('saga')
    cairn.sagas.define(name, [{ name: 'a', run: () => 1 }])
    const ids: string[] = []
    for (let n = 0; n < 5; n++) ids.unshift((await tenant.sagas.start(name, { n })).id)
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page: Page<Saga> = await tenant.sagas.list({ limit: 2, name, ...(cursor === undefined ? {} : { cursor }) })
      seen.push(...page.items.map(({ id }) => id))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(seen).toEqual(ids)
  })

  it('the database refuses a way back from the end', async () => {
    const saga = await ended([{ name: 'a', run: () => 1 }])
    for (const change of [`status = 'running', finished_at = NULL`, `status = 'compensating', finished_at = NULL`, 'finished_at = NULL', `status = 'compensated'`]) {
      await refusal(cairn.engines.sql.query(cairn.identity, `UPDATE tx.sagas SET ${change} WHERE tenant_id = 'default' AND saga_id = $1`, [saga.id]), 'CONSTRAINT_VIOLATION')
    }
  })
})
