import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Cairn, type CairnOptions, isCairnError, open } from '../../../src/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'
import { startNats } from '../../harness/nats-server.ts'

async function codeOf(run: Promise<unknown>): Promise<string> {
  return run.then(() => 'no error', (error: unknown) => (isCairnError(error) ? error.code : String(error)))
}

/** A promise and what settles it. */
function gate<T = void>(): { promise: Promise<T>; open(value: T): void } {
  let settle: (value: T) => void = () => undefined
  return { promise: new Promise<T>((resolve) => (settle = resolve)), open: (value) => settle(value) }
}

describe.each(cairnTargets)('the cache ($name)', (target) => {
  let opened: Awaited<ReturnType<typeof openCairn>>
  let cairn: Cairn
  beforeAll(async () => {
    opened = await openCairn(target)
    cairn = opened.cairn
  })
  afterAll(() => opened?.dispose())
  beforeEach(() => cairn.cache.invalidate({ all: true }))

  // proves S4-4.3-01, S4-4.3-02
  it('finds a value in the loader, then in memory, and in KV when memory lost it; entries say where', async () => {
    let loads = 0
    const load = (): { n: number } => ({ n: ++loads })
    const before = Date.now()
    expect(await cairn.cache.find('a', load, { ttlMs: 60_000 })).toMatchObject({ key: 'a', value: { n: 1 }, source: 'db', ttlMs: 60_000, stale: false })
    const second = await cairn.cache.find('a', load)
    expect(second).toMatchObject({ value: { n: 1 }, source: 'memory' })
    expect(second?.timestamp.getTime()).toBeGreaterThanOrEqual(before)
    // Memory of one byte keeps nothing: everything comes from the KV tier.
    if (target.name === 'embedded') return
    const small = await open({ ...opened.place.options, cache: { maxBytes: 1 } })
    expect(await small.cache.find('a', load)).toMatchObject({ value: { n: 1 }, source: 'kv' })
    const other = await open(opened.place.options)
    expect(await other.cache.find('a', load)).toMatchObject({ source: 'kv' })
    expect(await other.cache.find('a', load)).toMatchObject({ source: 'memory' })
    expect(loads).toBe(1)
    await small.close()
    await other.close()
  })

  it('gives every caller a copy of its own', async () => {
    const first = await cairn.cache.get<{ list: number[] }>('copy', () => ({ list: [1] }))
    first?.list.push(2)
    expect(await cairn.cache.get('copy')).toEqual({ list: [1] })
  })

  it('loads once for a herd, and again after the time to live', async () => {
    let loads = 0
    const wait = gate()
    const herd = Array.from({ length: 200 }, () => cairn.cache.get('herd', async () => {
      await wait.promise
      return ++loads
    }, { ttlMs: 50 }))
    wait.open()
    expect(new Set(await Promise.all(herd))).toEqual(new Set([1]))
    await until('the entry has expired', async () => (await cairn.cache.get('herd')) === undefined)
    expect(await cairn.cache.get('herd', () => ++loads)).toBe(2)
  })

  it('runs a loader although somebody without one asks for the same key at that moment', async () => {
    const without = cairn.cache.get('with or without')
    const withLoader = cairn.cache.get('with or without', () => 42)
    expect(await Promise.all([without, withLoader])).toEqual([undefined, 42])
    expect(await cairn.cache.get('with or without')).toBe(42)
  })

  it('ends by its tags what is too large for the KV tier', async () => {
    const large = 'x'.repeat(9 * 1024 * 1024)
    for (const what of [{ tags: ['big'] }, { all: true }, { keys: ['large'] }]) {
      await cairn.cache.set('large', large, { tags: ['big'] })
      expect((await cairn.cache.get<string>('large'))?.length).toBe(large.length)
      await cairn.cache.invalidate(what)
      expect(await cairn.cache.get('large')).toBeUndefined()
    }
  })

  it('does not let a load that began before an invalidation fill the cache, by key, tag or as a whole', async () => {
    for (const what of [{ keys: ['race'] }, { tags: ['things'] }, { all: true }]) {
      const began = gate()
      const go = gate<string>()
      const slow = cairn.cache.get('race', () => {
        began.open()
        return go.promise
      }, { tags: ['things'] })
      await began.promise
      await cairn.cache.invalidate(what)
      // Who asks now does not join the load that began before.
      const fresh = cairn.cache.get('race', () => 'new', { tags: ['things'], singleFlight: 'process' })
      expect(await fresh).toBe('new')
      go.open('old')
      expect(await slow).toBe('old')
      expect(await cairn.cache.get('race')).toBe('new')
      await cairn.cache.invalidate({ all: true })
    }
    expect(cairn.cache.stats().fillsRefused).toBeGreaterThanOrEqual(3)
  })

  it('ends entries by tag, and leaves others', async () => {
    await cairn.cache.set('x', 1, { tags: ['red', 'round'] })
    await cairn.cache.set('y', 2, { tags: ['red'] })
    await cairn.cache.set('z', 3, { tags: ['blue'] })
    await cairn.cache.invalidate({ tags: ['round'] })
    expect([await cairn.cache.get('x'), await cairn.cache.get('y'), await cairn.cache.get('z')]).toEqual([undefined, 2, 3])
    await cairn.cache.invalidate({ tags: ['red'] })
    expect([await cairn.cache.get('x'), await cairn.cache.get('y'), await cairn.cache.get('z')]).toEqual([undefined, undefined, 3])
  })

  it('remembers that there is nothing only when asked, and forgets it by invalidation', async () => {
    let loads = 0
    const nothing = (): undefined => void loads++
    await cairn.cache.get('none', nothing)
    await cairn.cache.get('none', nothing)
    expect(loads).toBe(2)
    await cairn.cache.get('none', nothing, { negativeTtlMs: 60_000 })
    expect(await cairn.cache.get('none', nothing)).toBeUndefined()
    expect(loads).toBe(3)
    await cairn.cache.invalidate('none')
    expect(await cairn.cache.get('none', () => 'there')).toBe('there')
    expect(await cairn.cache.get('null', () => null)).toBeNull()
  })

  it('serves the old value while one caller loads the new one', async () => {
    let n = 0
    const load = (): number => ++n
    const options = { ttlMs: 20, staleMs: 60_000 }
    expect(await cairn.cache.get('swr', load, options)).toBe(1)
    await until('it is stale', async () => (await cairn.cache.find('swr', load, options))?.stale === true)
    await until('the new value is there', async () => ((await cairn.cache.get<number>('swr', load, options)) ?? 0) > 1)
  })

  it('lets the error of a loader through, keeps nothing of it, and loads again', async () => {
    expect(await codeOf(cairn.cache.get('bad', () => Promise.reject(new Error('boom'))))).toBe('Error: boom')
    expect(await codeOf(cairn.cache.get('bad', () => Number.NaN))).toBe('SERIALIZATION_ERROR')
    expect(await cairn.cache.get('bad', () => 'good')).toBe('good')
  })

  it('keeps tenants apart, also when one invalidates all', async () => {
    const other = cairn.as({ tenant: 'other' })
    await cairn.cache.set('k', 'mine', { tags: ['t'] })
    await other.cache.set('k', 'theirs', { tags: ['t'] })
    await other.cache.invalidate({ all: true, tags: ['t'], keys: ['k'] })
    expect([await cairn.cache.get('k'), await other.cache.get('k')]).toEqual(['mine', undefined])
  })

  it('refuses what it cannot keep', async () => {
    expect(await codeOf(cairn.cache.get(''))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(cairn.cache.get('x'.repeat(256)))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(cairn.cache.set('k', 1, { ttlMs: 0 }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(cairn.cache.set('k', 1, { tags: ['*'] }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(cairn.cache.set('k', undefined))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(cairn.cache.set('k', () => 1))).toBe('SERIALIZATION_ERROR')
    expect(await codeOf(cairn.cache.invalidate({ kees: [] } as object))).toBe('INVALID_ARGUMENT')
  })

  it('keeps what is too large for the KV tier in memory alone', async () => {
    const large = 'x'.repeat(1_500_000)
    let loads = 0
    const load = (): string => {
      loads++
      return large
    }
    expect(await cairn.cache.get('large', load)).toBe(large)
    expect(await cairn.cache.get('large', load)).toBe(large)
    expect(loads).toBe(1)
    await cairn.cache.invalidate('large')
    expect(await cairn.cache.get('large')).toBeUndefined()
  })

  // proves S4-4.3-03
  it('stays within its bytes, and takes expired entries out in the background', async () => {
    const bounded = target.name === 'servers' ? await open({ ...opened.place.options, cache: { maxBytes: 100_000, sweepMs: 20 } }) : undefined
    if (bounded === undefined) return
    for (let n = 0; n < 200; n++) await bounded.cache.set(`big ${n}`, 'y'.repeat(2_000))
    const { bytes, evictions, maxBytes } = bounded.cache.stats()
    expect(bytes).toBeLessThanOrEqual(maxBytes)
    expect(evictions).toBeGreaterThan(100)
    await bounded.cache.set('short', 1, { ttlMs: 1 })
    await until('the sweeper has been round', () => bounded.cache.stats().expirations > 0)
    await bounded.close()
  })
})

describe('the cache of several processes on the same servers', () => {
  const servers = cairnTargets[1] as (typeof cairnTargets)[number]
  const cleanups: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  })

  async function opened(options: CairnOptions): Promise<Cairn> {
    const cairn = await open(options)
    cleanups.push(() => cairn.close())
    return cairn
  }

  it('loads once for a herd in three of them', async () => {
    const place = await servers.place()
    cleanups.push(() => place.dispose())
    // Nobody takes over from one that is slow.
    const options = { ...place.options, cache: { leaseMs: 60_000, waitMs: 60_000 } }
    const all = await Promise.all([opened(options), opened(options), opened(options)])
    let loads = 0
    const load = async (): Promise<number> => {
      loads++
      await new Promise((resolve) => setTimeout(resolve, 100))
      return 7
    }
    const values = await Promise.all(all.flatMap(({ cache }) => Array.from({ length: 20 }, () => cache.get('herd', load))))
    expect(new Set(values)).toEqual(new Set([7]))
    expect(loads).toBe(1)
  })

  it('takes over the load of one that stopped in the middle', async () => {
    const place = await servers.place()
    cleanups.push(() => place.dispose())
    const [a, b] = await Promise.all([open(place.options), opened({ ...place.options, cache: { leaseMs: 200 } })])
    const began = gate()
    const stuck = a.cache.get('k', () => {
      began.open()
      return new Promise(() => undefined)
    })
    stuck.catch(() => undefined)
    await began.promise
    // Its engines go away under it: nobody renews the lease, nobody releases it.
    await a.engines.kv.close()
    expect(await b.cache.get('k', () => 'loaded by b')).toBe('loaded by b')
    await a.close()
  })

  it('refuses the fill of a load that began before another process invalidated', async () => {
    const place = await servers.place()
    cleanups.push(() => place.dispose())
    const [a, b] = await Promise.all([opened(place.options), opened(place.options)])
    for (const what of [{ keys: ['k'] }, { tags: ['t'] }]) {
      const began = gate()
      const go = gate<string>()
      const slow = a.cache.get('k', () => {
        began.open()
        return go.promise
      }, { tags: ['t'] })
      await began.promise
      await b.cache.invalidate(what)
      go.open('old')
      expect(await slow).toBe('old')
      expect(await b.cache.get('k')).toBeUndefined()
      await until('nor has the one that loaded it', async () => (await a.cache.get('k')) === undefined)
    }
  })

  it('goes on without the KV tier, and tells the others what it invalidated when that is back', { timeout: 60_000 }, async () => {
    const nats = await startNats()
    cleanups.push(() => nats.dispose())
    const place = await servers.place({ natsUrl: nats.url })
    cleanups.push(() => place.dispose())
    const a = await opened({ ...place.options, cache: { awayTtlMs: 60_000 } })
    await a.cache.set('k', 'old')
    expect(await a.cache.get('k')).toBe('old')
    await nats.stop()
    await until('the outage is noticed', async () => !(await a.cache.invalidate('k')).shared)
    expect(a.cache.stats()).toMatchObject({ kvAvailable: false, pendingInvalidations: 1 })
    let loads = 0
    const load = (): string => `loaded ${++loads}`
    expect(await a.cache.get('k', load)).toBe('loaded 1')
    expect(await a.cache.find('k', load)).toMatchObject({ value: 'loaded 1', source: 'memory' })
    await nats.restart()
    await until('the KV tier is back', () => a.cache.stats().kvAvailable, 20_000)
    expect(a.cache.stats().pendingInvalidations).toBe(0)
    expect(await a.cache.get('k', load)).toBe('loaded 2')
    const b = await opened(place.options)
    expect(await b.cache.find('k')).toMatchObject({ value: 'loaded 2', source: 'kv' })
  })
})
