import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, type NewModel, isCairnError } from '../../../src/index.ts'
import { type CairnPlace, cairnTargets, openCairn } from '../../harness/cairns.ts'
import { NODE_FLAGS } from '../../harness/node-flags.ts'

const PROGRAM = fileURLToPath(new URL('./call-process.ts', import.meta.url))
const refusal = async (work: Promise<unknown>): Promise<unknown> => work.then(() => 'no error', (error: unknown) => (isCairnError(error) ? [error.code, error.details['field']].join(' ').trim() : (error as Error).message))
const fail = (message = 'down') => (): never => {
  throw new Error(message)
}

describe.each(cairnTargets)('models ($name)', (target) => {
  let cairn: Cairn
  let place: CairnPlace
  let dispose: () => Promise<void>
  beforeAll(async () => {
    ;({ cairn, place, dispose } = await openCairn(target))
  })
  afterAll(() => dispose?.())

  const of = (tenant: string) => cairn.as({ tenant }).models
  const times = async (n: number, work: () => Promise<unknown>): Promise<void> => {
    for (let i = 0; i < n; i++) await work().catch(() => undefined)
  }

  // proves S0-6-01
  it('registers with the defaults, finds by id, key and name, changes, lists and removes', async () => {
    const models = of('registry')
    const llama = await models.register({ name: 'llama3.1:8b', key: 'small', size: '8B', capabilities: ['chat', 'tools', 'chat'], parameters: { temperature: 0.2 } })
    expect(llama).toMatchObject({ key: 'small', name: 'llama3.1:8b', provider: 'ollama', size: '8B', capabilities: ['chat', 'tools'], parameters: { temperature: 0.2 }, priority: 0, status: 'available', health: 'healthy' })
    expect(llama).toMatchObject({ totalRequests: 0, totalTokens: 0, successRate: 1, averageResponseTimeMs: null, failureCount: 0, consecutiveFailures: 0, lastUsedAt: null, lastHealthCheck: null, performance: {} })
    for (const name of [llama.id, llama.id.toUpperCase(), 'small', 'llama3.1:8b']) expect((await models.get(name)).id).toBe(llama.id)
    expect(await models.find('none')).toBeUndefined()
    const gpt = await models.register({ name: 'gpt', provider: 'openai', capabilities: ['chat', 'vision'] })
    expect(gpt.key).toBe('gpt')
    expect(await refusal(models.register({ name: 'gpt' }))).toBe('DUPLICATE_KEY')
    expect(await refusal(models.register({ name: 'other', key: 'small' }))).toBe('DUPLICATE_KEY')
    expect(await refusal(models.update('gpt', { name: 'llama3.1:8b' }))).toBe('DUPLICATE_KEY')
    const changed = await models.update('small', { size: null, priority: 5, capabilities: ['chat'] })
    expect(changed).toMatchObject({ size: null, priority: 5, capabilities: ['chat'], parameters: { temperature: 0.2 }, status: 'available' })
    // proves D0-18
    expect(changed.updatedAt.getTime()).toBeGreaterThan(llama.updatedAt.getTime())
    const names = async (filter: Parameters<typeof models.list>[0]) => (await models.list(filter)).items.map(({ name }) => name)
    expect(await names({})).toEqual(['gpt', 'llama3.1:8b'])
    expect(await names({ provider: 'openai' })).toEqual(['gpt'])
    expect(await names({ capabilities: ['chat'] })).toEqual(['gpt', 'llama3.1:8b'])
    expect(await names({ capabilities: ['chat', 'vision'] })).toEqual(['gpt'])
    expect(await names({ health: 'unhealthy' })).toEqual([])
    expect(await names({ status: 'available', limit: 1 })).toEqual(['gpt'])
    expect(await names({ limit: 1, cursor: (await models.list({ limit: 1 })).nextCursor! })).toEqual(['llama3.1:8b'])
    expect(await models.remove('small')).toBe(true)
    expect(await models.remove('small')).toBe(false)
  })

  // proves S0-6-03
  it('measures calls: time, tokens by any vendor, success, and nothing that was no call', async () => {
    const models = of('measured')
    await models.register({ name: 'm' })
    expect(await models.call('m', () => ({ text: 'hi', usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 } }))).toMatchObject({ text: 'hi' })
    await models.call('m', () => ({ usage: { inputTokens: 1, outputTokens: 2 } }))
    await models.call('m', ({ usage }) => usage({ totalTokens: 100 }))
    await models.call('m', () => ({ usage: { total_tokens: 'many', input_tokens: -3 } }))
    expect(await refusal(models.call('m', fail()))).toBe('down')
    const slow = (): Promise<never> => new Promise(() => undefined)
    expect(await refusal(models.call('m', slow, { timeoutMs: 20 }))).toBe('TIMEOUT')
    const afterAll = await models.get('m')
    expect(afterAll).toMatchObject({ totalRequests: 6, failureCount: 2, consecutiveFailures: 2, totalTokens: 118, performance: { inputTokens: 11, outputTokens: 7 }, lastError: expect.stringMatching(/^TIMEOUT/) as string })
    expect(afterAll.successRate).toBeCloseTo(4 / 6, 9)
    expect(afterAll.averageResponseTimeMs).toBeGreaterThanOrEqual(0)
    expect(afterAll.performance.maxResponseTimeMs).toBeGreaterThanOrEqual(afterAll.performance.minResponseTimeMs!)
    expect(afterAll.lastUsedAt).not.toBeNull()
    // The caller's fault, the caller's abort and what is said to be no failure tell nothing.
    const stop = new AbortController()
    const aborted = models.call('m', () => slow(), { signal: stop.signal })
    stop.abort(new Error('enough'))
    expect(await refusal(aborted)).toBe('enough')
    expect(await refusal(models.call('m', ({ usage }) => usage({ totalTokens: -1 })))).toBe('INVALID_ARGUMENT totalTokens')
    expect(await refusal(models.call('m', fail('mine'), { isFailure: () => false }))).toBe('mine')
    expect(await models.get('m')).toMatchObject({ totalRequests: 6, failureCount: 2 })
    // Each try counts; the last one mends.
    let tries = 0
    expect(await models.call('m', () => ((tries += 1) < 3 ? fail()() : 'well'), { attempts: 3, baseMs: 1 })).toBe('well')
    expect(await models.get('m')).toMatchObject({ totalRequests: 9, failureCount: 4, consecutiveFailures: 0 })
  })

  // proves S0-6-02, D0-11
  it('keeps health by its thresholds, and the breaker apart from it', async () => {
    const models = of('health')
    await models.register({ name: 'm' })
    const health = async () => (await models.get('m')).health
    const call = (work: () => unknown) => models.call('m', work, { breaker: false })
    await times(2, () => call(fail()))
    expect(await health()).toBe('healthy')
    await times(1, () => call(fail()))
    expect(await health()).toBe('degraded')
    await times(2, () => call(fail()))
    expect(await health()).toBe('unhealthy')
    await times(1, () => call(() => 'well'))
    expect(await models.get('m')).toMatchObject({ health: 'healthy', consecutiveFailures: 0, totalRequests: 6 })
    // By the rate: every second call fails, so that there are never three in a row.
    await times(5, async () => {
      await call(fail()).catch(() => undefined)
      await call(() => 'well')
    })
    expect(await models.get('m')).toMatchObject({ health: 'degraded', consecutiveFailures: 0 })
    await times(8, () => call(() => 'well'))
    expect(await health()).toBe('healthy')
    const events: unknown[] = []
    const { id } = await models.get('m')
    for await (const event of cairn.as({ tenant: 'health' }).events.tail({ stream: 'EVENTS', filter: `events.models.${id}`, from: 'all', signal: AbortSignal.timeout(20_000) })) {
      events.push((event.payload as { to: string }).to)
      if (events.length === 5) break
    }
    expect(events).toEqual(['degraded', 'unhealthy', 'healthy', 'degraded', 'healthy'])
    await times(7, () => models.call('m', fail()))
    // The breaker opened at the fifth: the others were no calls.
    expect(await models.get('m')).toMatchObject({ consecutiveFailures: 5, health: 'unhealthy' })
    expect(await refusal(models.call('m', () => 'well'))).toBe('CIRCUIT_OPEN')
    expect((await cairn.as({ tenant: 'health' }).resilience.breakers.get('model:m')).state).toBe('open')
  })

  it('checks health by a function, without counting a request', async () => {
    const models = of('checked')
    for (const name of ['a', 'b', 'c']) await models.register({ name, ...(name === 'c' ? { status: 'unavailable' as const } : {}) })
    const probe = ({ model }: { model: { name: string } }): void => (model.name === 'b' ? fail('no b')() : undefined)
    const first = await models.checkAll(probe)
    expect(first).toMatchObject([{ model: 'a', health: 'healthy', error: null }, { model: 'b', health: 'healthy', error: 'Error: no b' }])
    await times(4, () => models.check('b', probe))
    expect(await models.get('b')).toMatchObject({ health: 'unhealthy', consecutiveFailures: 5, totalRequests: 0, failureCount: 0, lastHealthError: 'Error: no b' })
    expect((await models.get('b')).lastHealthCheck).not.toBeNull()
    expect((await models.check('b', () => new Promise(() => undefined), { timeoutMs: 10 })).error).toMatch(/^TIMEOUT/)
    expect(await models.check('b', () => true)).toMatchObject({ health: 'healthy', error: null })
    expect((await models.get('c')).lastHealthCheck).toBeNull()
  })

  it('chooses the best that is well: health before priority before what the calls show', async () => {
    const models = of('chosen')
    for (const [name, fields] of Object.entries<Partial<NewModel>>({ a: {}, b: { capabilities: ['chat', 'vision'] }, c: { priority: 1 }, d: { priority: 9, status: 'unavailable' }, e: { priority: 9, status: 'deprecated' }, f: { capabilities: ['embed'], provider: 'x' } })) {
      await models.register({ name, capabilities: ['chat'], ...fields })
    }
    const chosen = async (wish: Parameters<typeof models.choose>[0]) => (await models.choose(wish)).name
    expect(await chosen({ capabilities: ['chat'] })).toBe('c')
    expect(await chosen({ capabilities: ['vision', 'chat'] })).toBe('b')
    expect(await chosen({ provider: 'x' })).toBe('f')
    expect(await chosen({ capabilities: ['chat'], except: ['c'] })).toBe('a')
    await times(3, () => models.check('c', fail()))
    expect(await chosen({ capabilities: ['chat'] })).toBe('a')
    await times(1, () => models.check('a', fail()))
    expect(await chosen({ capabilities: ['chat'] })).toBe('b')
    await times(5, () => models.check('f', fail()))
    expect(await refusal(models.choose({ provider: 'x' }))).toBe('MODEL_UNAVAILABLE')
    expect(await refusal(models.choose({ capabilities: ['flying'] }))).toBe('MODEL_UNAVAILABLE')
    expect(await refusal(models.call('d', () => 1))).toBe('MODEL_UNAVAILABLE')
    expect(await models.call('e', () => 1)).toBe(1)
  })

  it('adds up the calls of many processes, none lost', async () => {
    const models = of('many')
    await models.register({ name: 'shared' })
    const here = Promise.all(Array.from({ length: 60 }, (_, n) => models.call('shared', ({ usage }) => (usage({ inputTokens: 3, outputTokens: 4 }), n % 3 === 0 ? fail()() : undefined), { breaker: false }).catch(() => undefined)))
    // PGlite has one process.
    const others = target.name === 'embedded' ? [] : [1, 2].map(async () => {
      const child = spawn(process.execPath, [...NODE_FLAGS, PROGRAM, JSON.stringify({ options: place.options, tenant: 'many', calls: 60, failEvery: 3 })], { stdio: ['ignore', 'ignore', 'inherit'] })
      const [code] = (await once(child, 'exit')) as [number]
      expect(code).toBe(0)
    })
    await Promise.all([here, ...others])
    const rounds = 1 + others.length
    expect(await models.get('shared')).toMatchObject({ totalRequests: 60 * rounds, failureCount: 20 * rounds, totalTokens: 60 * 7 * rounds, performance: { inputTokens: 40 * 3 * rounds, outputTokens: 40 * 4 * rounds } })
  })

  it('keeps each model to its tenant, through every method', async () => {
    const { id } = await of('owner').register({ name: 'secret', capabilities: ['rare'] })
    const models = of('stranger')
    for (const name of [id, 'secret']) {
      const tries: Record<string, () => Promise<unknown>> = { get: () => models.get(name), update: () => models.update(name, { priority: 1 }), call: () => models.call(name, () => 1), check: () => models.check(name, () => 1) }
      for (const [method, attempt] of Object.entries(tries)) expect(await refusal(attempt()), method).toBe('NOT_FOUND')
      expect(await models.find(name)).toBeUndefined()
      expect(await models.remove(name)).toBe(false)
    }
    expect(await models.list()).toEqual({ items: [], nextCursor: null })
    expect(await models.checkAll(() => 1)).toEqual([])
    expect(await refusal(models.choose({ capabilities: ['rare'] }))).toBe('MODEL_UNAVAILABLE')
    expect((await models.register({ name: 'secret' })).id).not.toBe(id)
    expect(await of('owner').get('secret')).toMatchObject({ id, priority: 0, totalRequests: 0, lastHealthCheck: null })
  })

  it('refuses what cannot be, by field', async () => {
    const models = of('bad')
    const cases: [Record<string, unknown>, string][] = [
      [{}, 'INVALID_ARGUMENT name'], [{ name: '' }, 'INVALID_ARGUMENT name'], [{ name: 'x\0' }, 'INVALID_ARGUMENT name'], [{ name: 'x', key: '019a0c5e-7d2b-7cc3-98c4-dc0c0c07398f' }, 'INVALID_ARGUMENT key'], [{ name: 'x', capabilities: [''] }, 'INVALID_ARGUMENT capabilities.0'],
      [{ name: 'x', status: 'busy' }, 'INVALID_ARGUMENT status'], [{ name: 'x', parameters: { a: '\0' } }, 'SERIALIZATION_ERROR parameters'], [{ name: 'x', parameters: { a: 1n } }, 'SERIALIZATION_ERROR parameters'], [{ name: 'x', priority: 0.5 }, 'INVALID_ARGUMENT priority'], [{ name: 'x', health: 'healthy' }, 'INVALID_ARGUMENT health'],
    ]
    for (const [input, expected] of cases) expect(await refusal(models.register(input as never)), expected).toBe(expected)
    await models.register({ name: 'x' })
    expect(await refusal(models.update('x', { name: '' }))).toBe('INVALID_ARGUMENT name')
    expect(await refusal(models.list({ cursor: 'x' }))).toBe('INVALID_CURSOR')
    expect(await refusal(models.call('x', () => 1, { timeoutMs: -1 }))).toBe('INVALID_ARGUMENT timeoutMs')
    expect(await refusal(models.call('', () => 1))).toBe('INVALID_ARGUMENT model')
    expect(await models.get('x')).toMatchObject({ totalRequests: 0 })
  })

  // proves S0-6-04, D0-30
  it('has the indexes, and the name once', async () => {
    const { rows } = await cairn.engines.sql.query<{ index: string }>({ role: 'owner' }, `SELECT indexdef AS index FROM pg_indexes WHERE schemaname = 'models'`)
    const columns = rows.map(({ index }) => /\((.*)\)/.exec(index)?.[1]).sort()
    expect(columns).toEqual(['model_id', 'tenant_id, health_status', 'tenant_id, model_key', 'tenant_id, name', 'tenant_id, provider', 'tenant_id, status'])
  })
})
