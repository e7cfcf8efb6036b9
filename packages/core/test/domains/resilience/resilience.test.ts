import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, isCairnError } from '../../../src/index.ts'
import { MAINTENANCE } from '../../../src/identity/index.ts'
import { type CairnPlace, cairnTargets, openCairn, until } from '../../harness/cairns.ts'
import { uniqueName } from '../../harness/engines.ts'
import { NODE_FLAGS } from '../../harness/node-flags.ts'

const CALLERS = fileURLToPath(new URL('./callers.ts', import.meta.url))

/** Of the 32 callers; a process each with CAIRN_CHAOS_PROCESSES=32, which takes a minute to start. */
const PROCESSES = Number(process.env['CAIRN_CHAOS_PROCESSES'] ?? 4)

const fails = (): never => {
  throw new Error('down')
}

describe.each(cairnTargets)('resilience ($name)', (target) => {
  let cairn: Cairn
  let place: CairnPlace
  let dispose: () => Promise<void>
  beforeAll(async () => {
    ;({ cairn, place, dispose } = await openCairn(target))
  })
  afterAll(() => dispose?.())

  const failing = (of: Cairn, service: string): Promise<unknown> => of.resilience.call(service, fails)
  const failTimes = async (service: string, times: number): Promise<void> => {
    for (let n = 0; n < times; n++) await expect(failing(cairn, service)).rejects.toThrow('down')
  }

  // proves S0-8-01, S0-8-02, S0-8-04, S0-8-05, S3-20-08
  it('opens after the threshold of failures and refuses without calling, in every process', async () => {
    const service = uniqueName('s')
    await failTimes(service, 4)
    expect(await cairn.resilience.call(service, () => 'answer')).toBe('answer')
    // The success in between started the count anew.
    await failTimes(service, 4)
    expect(await cairn.resilience.breakers.get(service)).toMatchObject({ state: 'closed', recentFailures: 4, failureCount: 8 })
    await failTimes(service, 1)
    const other = cairn.as({})
    for (const each of [cairn, other]) {
      let called = false
      await expect(each.resilience.call(service, () => (called = true))).rejects.toMatchObject({ code: 'CIRCUIT_OPEN', details: { service, state: 'open', retryAfterMs: expect.any(Number) as number } })
      expect(called).toBe(false)
    }
    const breaker = await cairn.resilience.breakers.get(service)
    expect(breaker).toMatchObject({ state: 'open', forced: false, config: { failureThreshold: 5, successThreshold: 3, recoveryTimeoutMs: 60_000 }, lastFailureReason: 'down' })
    expect((breaker.nextAttemptAt as Date).getTime() - (breaker.openedAt as Date).getTime()).toBeCloseTo(60_000, -2)
    expect((await cairn.resilience.breakers.events({ service })).items).toMatchObject([{ from: 'closed', to: 'open', reason: expect.stringContaining('5 failures') as string }])
  })

  // proves S0-8-06
  it('lets single probes through after the timeout; three successes close it, a failure opens it for longer', async () => {
    const service = uniqueName('s')
    await cairn.resilience.breakers.configure(service, { failureThreshold: 1, recoveryTimeoutMs: 150, backoffFactor: 4 })
    await failTimes(service, 1)
    const due = async (): Promise<boolean> => {
      const { state, nextAttemptAt } = await cairn.resilience.breakers.get(service)
      return state === 'open' && nextAttemptAt !== null && nextAttemptAt.getTime() < Date.now() - 20
    }
    await until('a probe is due', due)
    await expect(failing(cairn, service)).rejects.toThrow('down')
    const { openedAt, nextAttemptAt } = await cairn.resilience.breakers.get(service)
    expect((nextAttemptAt as Date).getTime() - (openedAt as Date).getTime()).toBeGreaterThan(590)
    await until('a probe is due again', due)
    for (let n = 1; n <= 3; n++) {
      expect(await cairn.resilience.call(service, () => n)).toBe(n)
      expect((await cairn.resilience.breakers.get(service)).state).toBe(n === 3 ? 'closed' : 'half_open')
    }
    expect((await cairn.resilience.breakers.events({ service })).items.map(({ to }) => to)).toEqual(['closed', 'half_open', 'open', 'half_open', 'open'])
  })

  it('frees the place of a probe that never answered or was given up', async () => {
    const service = uniqueName('s')
    await cairn.resilience.breakers.configure(service, { failureThreshold: 1, recoveryTimeoutMs: 1, probeLeaseMs: 3_600_000, successThreshold: 1 })
    await failTimes(service, 1)
    await sleep(30)
    let release = (): void => undefined
    const hanging = cairn.resilience.call(service, () => new Promise<void>((resolve) => (release = resolve)))
    await until('the probe is under way', async () => (await cairn.resilience.breakers.get(service)).probesUnderWay === 1)
    await expect(cairn.as({}).resilience.call(service, () => 1)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN', details: { state: 'half_open', retryAfterMs: null } })
    await cairn.engines.sql.query(MAINTENANCE, 'UPDATE resilience.breaker_probes SET lease_until = clock_timestamp() WHERE service_name = $1', [service])
    await until('its lease is over', async () => (await cairn.resilience.breakers.get(service)).probesUnderWay === 0)
    const stop = new AbortController()
    const givenUp = cairn.resilience.call(service, () => new Promise(() => undefined), { signal: stop.signal })
    await until('the second is under way', async () => (await cairn.resilience.breakers.get(service)).probesUnderWay === 1)
    stop.abort(new Error('changed my mind'))
    await expect(givenUp).rejects.toThrow('changed my mind')
    expect(await cairn.resilience.call(service, () => 'closes it')).toBe('closes it')
    release()
    await hanging
    expect((await cairn.resilience.breakers.get(service)).state).toBe('closed')
  })

  it('can be held open and closed by hand, and decides by itself again after a reset', async () => {
    const service = uniqueName('s')
    await cairn.resilience.breakers.forceOpen(service, 'maintenance of the provider')
    await expect(cairn.resilience.call(service, () => 1)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN', details: { retryAfterMs: null } })
    expect(await cairn.resilience.breakers.get(service)).toMatchObject({ state: 'open', forced: true, nextAttemptAt: null })
    await cairn.resilience.breakers.forceClose(service)
    await failTimes(service, 10)
    expect(await cairn.resilience.breakers.get(service)).toMatchObject({ state: 'closed', forced: true, failureCount: 10 })
    await cairn.resilience.breakers.reset(service)
    await failTimes(service, 5)
    expect((await cairn.resilience.breakers.list({ state: 'open' })).items.map((breaker) => breaker.service)).toContain(service)
    expect((await cairn.resilience.breakers.events({ service })).items[3]).toMatchObject({ reason: 'maintenance of the provider', actor: expect.any(String) as string })
  })

  it('limits time, tries again, and limits calls at a time; a full bulkhead does not tell against the service', async () => {
    const service = uniqueName('s')
    const attempts: number[] = []
    const slow = cairn.resilience.call(
      service,
      ({ signal, attempt }) => {
        attempts.push(attempt)
        return attempt < 3 ? new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))) : 'third time'
      },
      { timeoutMs: 30, attempts: 3, baseMs: 1 },
    )
    expect(await slow).toBe('third time')
    expect(attempts).toEqual([1, 2, 3])
    await expect(cairn.resilience.call(service, () => new Promise(() => undefined), { timeoutMs: 20 })).rejects.toMatchObject({ code: 'TIMEOUT', details: { service, timeoutMs: 20 } })
    let release = (): void => undefined
    const gate = new Promise<void>((resolve) => (release = resolve))
    const limits = { maxConcurrent: 2, maxQueued: 1 }
    // Which of them comes last to the bulkhead is not said: each asks the breaker first.
    const calls = Array.from({ length: 4 }, () => cairn.resilience.call(service, () => gate, limits).then(() => 'called', (error: unknown) => (isCairnError(error) ? error.code : error)))
    expect(await Promise.race(calls)).toBe('BULKHEAD_FULL')
    release()
    expect((await Promise.all(calls)).sort()).toEqual(['BULKHEAD_FULL', 'called', 'called', 'called'])
    expect((await cairn.resilience.breakers.get(service)).failureCount).toBe(3)
  })

  it('limits calls at a time over the whole process, and lets a caller go who gives up waiting for its turn', async () => {
    const service = uniqueName('s')
    const limits = { maxConcurrent: 1, maxQueued: 1 }
    let release = (): void => undefined
    const first = cairn.resilience.call(service, () => new Promise<void>((resolve) => (release = resolve)), limits)
    await until('the first runs', () => release.length === 1)
    // As a server does, with a Cairn of its own for each request.
    const giveUp = new AbortController()
    let called = false
    // Each has a breaker's gate of its own, whose answers may come in any order; without one, the second waits before the third comes.
    const second = cairn.as({}).resilience.call(service, () => (called = true), { ...limits, signal: giveUp.signal, breaker: false }).catch((error: unknown) => error)
    const third = cairn.as({}).resilience.call(service, () => 'too many', { ...limits, breaker: false })
    await expect(third).rejects.toMatchObject({ code: 'BULKHEAD_FULL' })
    expect(await cairn.as({ tenant: uniqueName('other') }).resilience.call(service, () => 'alone', limits)).toBe('alone')
    giveUp.abort(new Error('given up'))
    expect(await second).toMatchObject({ message: 'given up' })
    release()
    await first
    expect(await cairn.resilience.call(service, () => 'again', limits)).toBe('again')
    expect(called).toBe(false)
  })

  it('keeps nothing of a call on a signal that lives on', async () => {
    const service = uniqueName('s')
    const long = new AbortController()
    const seen: WeakRef<AbortSignal>[] = []
    for (let n = 0; n < 50; n++) {
      await cairn.resilience.call(service, ({ signal }) => {
        signal.addEventListener('abort', () => undefined)
        seen.push(new WeakRef(signal))
      }, { signal: long.signal, timeoutMs: 60_000, breaker: false })
    }
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    await until('the signals of the calls are gone', () => (collect(), seen.filter((each) => each.deref() !== undefined).length < 5))
    let told: unknown
    const call = cairn.resilience.call(service, ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject((told = signal.reason) as Error))), { signal: long.signal, breaker: false })
    long.abort(new Error('over'))
    await expect(call).rejects.toThrow('over')
    expect(told).toMatchObject({ message: 'over' })
  })

  it('counts failures whatever they say, and frees the place of a probe when the caller cannot judge it', async () => {
    const service = uniqueName('s')
    await cairn.resilience.breakers.configure(service, { failureThreshold: 2, recoveryTimeoutMs: 100, successThreshold: 1 })
    for (const message of ['a\0b', `\ud800${'x'.repeat(10_000)}`]) await expect(cairn.resilience.call(service, () => Promise.reject(new Error(message)))).rejects.toThrow(message)
    expect(await cairn.resilience.breakers.get(service)).toMatchObject({ state: 'open', failureCount: 2 })
    const judge = (): boolean => {
      throw new TypeError('cannot judge')
    }
    await until('a probe was let through', async () => (await cairn.resilience.call(service, fails, { isFailure: judge }).catch((error: unknown) => error)) instanceof TypeError)
    expect(await cairn.resilience.call(service, () => 'answer')).toBe('answer')
  })

  it('counts only what tells against the service, and works without the breaker', async () => {
    const service = uniqueName('s')
    for (let n = 0; n < 6; n++) await expect(cairn.resilience.call(service, fails, { isFailure: () => false })).rejects.toThrow('down')
    for (let n = 0; n < 6; n++) await expect(cairn.resilience.call(service, fails, { breaker: false })).rejects.toThrow('down')
    expect(await cairn.resilience.breakers.get(service)).toMatchObject({ state: 'closed', failureCount: 0 })
  })

  it('keeps the newest 1,000 changes of each service', async () => {
    const [often, seldom] = [uniqueName('s'), uniqueName('s')]
    await cairn.resilience.breakers.forceOpen(seldom, 'kept')
    await cairn.resilience.breakers.forceOpen(often, 'forgotten')
    const { sql } = cairn.engines
    await sql.query(cairn.identity, `INSERT INTO resilience.breaker_events (service_name, from_state, to_state, reason) SELECT $1, 'closed', 'open', n::text FROM generate_series(1, 1010) AS n`, [often])
    await cairn.resilience.breakers.reset(often, 'the newest')
    const kept = (await sql.query<{ reason: string }>(cairn.identity, 'SELECT reason FROM resilience.breaker_events WHERE service_name = $1 ORDER BY event_id', [often])).rows.map(({ reason }) => reason)
    expect(kept).toEqual([...Array.from({ length: 999 }, (_, n) => String(12 + n)), 'the newest'])
    expect((await cairn.resilience.breakers.events({ service: seldom })).items).toMatchObject([{ reason: 'kept' }])
  })

  it('refuses bad input by name and shows nothing of another tenant', async () => {
    const service = uniqueName('s')
    for (const bad of ['', 'x'.repeat(256), 'a\0b', undefined as unknown as string]) await expect(cairn.resilience.call(bad, () => 1)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'service' } })
    for (const config of [{ failureThreshold: 0 }, { failureThreshold: Number.NaN }, { windowMs: 1.5 }, { nonsense: 1 } as object]) {
      await expect(cairn.resilience.breakers.configure(service, config)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: Object.keys(config)[0] } })
    }
    await expect(cairn.resilience.breakers.get(service)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await cairn.resilience.breakers.forceOpen(service)
    const other = cairn.as({ tenant: 'globex' })
    expect(await other.resilience.call(service, () => 'mine is closed')).toBe('mine is closed')
    expect((await other.resilience.breakers.events()).items).toEqual([])
    expect((await other.resilience.breakers.list()).items).toMatchObject([{ service, state: 'closed' }])
  })

  // proves S0-8-03
  it('answers the functions in SQL for services known and unknown', async () => {
    const { sql } = cairn.engines
    const service = uniqueName('s')
    const check = async (): Promise<unknown> => (await sql.query(cairn.identity, 'SELECT * FROM resilience.check_circuit_breaker($1, $2)', [cairn.identity.tenant, service])).rows
    const record = (): Promise<unknown> => sql.query(cairn.identity, 'SELECT resilience.record_circuit_breaker_failure($1, $2)', [cairn.identity.tenant, service])
    expect(await check()).toEqual([{ state: 'closed', can_attempt: true, next_attempt_at: null }])
    for (let n = 0; n < 5; n++) await record()
    expect(await check()).toMatchObject([{ state: 'open', can_attempt: false }])
    await cairn.resilience.breakers.configure(service, { recoveryTimeoutMs: 1 })
    await cairn.resilience.breakers.reset(service)
    for (let n = 0; n < 5; n++) await record()
    await sleep(20)
    expect(await check()).toMatchObject([{ state: 'open', can_attempt: true }])
  })

  // One embedded data directory serves one process.
  if (target.name === 'embedded') return

  it(`32 callers in ${PROCESSES} processes against a dead service: it opens once, and one probe at a time is let through`, { timeout: 180_000 }, async () => {
    const service = uniqueName('s')
    await cairn.resilience.breakers.configure(service, { recoveryTimeoutMs: 300 })
    // Thirty-two processes share the server's connections: a call is let through when the breaker cannot be asked, and that is not what is tried here.
    const options = { ...place.options, postgres: { url: (place.options as { postgres: string }).postgres, pools: { primary: { max: 2 }, background: { max: 1 }, analytics: { max: 1 } } } }
    const calls: { start: bigint; end: bigint; ok: boolean; later: boolean }[] = []
    const errors: string[] = []
    const children: ChildProcess[] = Array.from({ length: PROCESSES }, () =>
      spawn(process.execPath, [...NODE_FLAGS, CALLERS, JSON.stringify({ options, service, callers: 32 / PROCESSES })], { stdio: ['pipe', 'pipe', 'inherit'] }),
    )
    const ended = children.map((child) => once(child, 'exit'))
    await Promise.all(
      children.map(
        (child) =>
          new Promise<void>((resolve) => {
            createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
              const [kind, start, end, outcome, when] = line.split(' ') as [string, string, string, string, string]
              if (kind === 'ready') resolve()
              else if (kind === 'C') calls.push({ start: BigInt(start), end: BigInt(end), ok: outcome === 'ok', later: when === 'later' })
              else if (kind === 'E') errors.push(line)
            })
          }),
      ),
    )
    const tell = (word: string): void => children.forEach((child) => child.stdin?.write(`${word}\n`))
    const events = async (to: string): Promise<Date[]> => (await cairn.resilience.breakers.events({ service, limit: 1000 })).items.filter((event) => event.to === to).map((event) => event.createdAt)
    const failed = () => calls.filter(({ ok, later }) => !ok && later).sort((a, b) => (a.start < b.start ? -1 : 1))
    await until('five probes have failed', async () => failed().length >= 5 && (await events('open')).length >= 6, 60_000)
    const opened = (await cairn.resilience.breakers.events({ service, limit: 1000 })).items
    tell('heal')
    await until('it is closed', async () => (await cairn.resilience.breakers.get(service)).state === 'closed', 60_000)
    tell('end')
    await Promise.all(ended)
    expect(errors).toEqual([])
    // The first opening and one for each probe that failed: never twice in a row.
    const order = opened.map(({ to }) => to).reverse()
    order.forEach((to, index) => expect(to).toBe(index % 2 === 0 ? 'open' : 'half_open'))
    // Probes never overlap. A slow process may begin a call long after it was let through while the breaker was closed: only calls of those who were refused before are probes for certain.
    const probes = failed()
    for (const [index, probe] of probes.entries()) if (index > 0) expect(probe.start).toBeGreaterThan((probes[index - 1] as { end: bigint }).end)
  })
})
