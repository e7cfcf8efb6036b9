import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Leadership, type Term } from '../../../src/engines/leadership/index.ts'
import { MAINTENANCE } from '../../../src/identity/index.ts'
import { SILENT_LOGGER } from '../../../src/observability/index.ts'
import { until } from '../../harness/cairns.ts'
import { type SqlTestDatabase, sqlTargets, uniqueName } from '../../harness/engines.ts'

describe.each(sqlTargets)('leadership on $name', (target) => {
  let database: SqlTestDatabase
  beforeAll(async () => {
    database = await target.open()
  })
  afterAll(() => database?.dispose())

  const candidate = (duty: string, leaseMs = 300): Leadership => new Leadership({ sql: database.engine, duty, leaseMs, tryEveryMs: 30, log: SILENT_LOGGER })
  /** No lease runs out by itself, however busy the machine. */
  const LONG = 60_000
  const untilAborted = (term: Term): Promise<void> => new Promise((resolve) => (term.signal.aborted ? resolve() : term.signal.addEventListener('abort', () => resolve())))

  it('has one leader at a time, and the next begins a higher term at once when it stops', async () => {
    const duty = uniqueName('duty')
    let leading = 0
    let most = 0
    let fenced = 0
    const terms: number[] = []
    const candidates = Array.from({ length: 5 }, () => candidate(duty, LONG))
    for (const each of candidates) {
      each.start(async (term) => {
        terms.push(term.number)
        most = Math.max(most, ++leading)
        await database.engine.transaction(MAINTENANCE, (session) => term.fence(session))
        fenced++
        await untilAborted(term)
        leading--
      })
    }
    for (let left = candidates.length; left > 0; left--) {
      await until('one leads, and may do its work', () => leading === 1 && fenced === terms.length)
      const leader = candidates.find((each) => each.term !== undefined)
      expect(await leader?.leader()).toMatchObject({ me: true, term: terms.at(-1) })
      await leader?.stop()
      // By now the next one may lead.
      expect(leader?.term).toBeUndefined()
    }
    expect(most).toBe(1)
    expect(terms).toEqual([1, 2, 3, 4, 5])
    expect(await candidate(duty).leader()).toBeUndefined()
  })

  it('replaces a leader that falls silent, and refuses what the old one still wants to do', async () => {
    const duty = uniqueName('duty')
    const frozen = candidate(duty)
    let old: Term | undefined
    frozen.start(async (term) => {
      old ??= term
      await untilAborted(term)
    })
    await until('it leads', () => old !== undefined)
    // As if the process had been frozen: its lease runs out, and it hears nothing of that.
    await database.engine.query(MAINTENANCE, `UPDATE tx.leaders SET lease_until = clock_timestamp(), holder = gen_random_uuid() WHERE duty = $1`, [duty])
    const next = candidate(duty)
    next.start(untilAborted)
    await until('another leads', async () => ((await next.leader())?.term ?? 1) > 1)
    await expect(database.engine.transaction(MAINTENANCE, (session) => (old as Term).fence(session))).rejects.toMatchObject({ code: 'LEADERSHIP_LOST' })
    await until('the old one knows', () => old?.signal.aborted === true)
    await Promise.all([frozen.stop(), next.stop()])
  })

  it('ends its term when the lease is over, also while the database does not answer', async () => {
    const duty = uniqueName('duty')
    const deaf = candidate(duty)
    let old: Term | undefined
    deaf.start(async (term) => {
      old ??= term
      await untilAborted(term)
    })
    await until('it leads', () => old !== undefined)
    // Whoever asks for the duty waits for this transaction.
    await database.engine.transaction(MAINTENANCE, async (session) => {
      await session.query('SELECT 1 FROM tx.leaders WHERE duty = $1 FOR UPDATE', [duty])
      await until('it knows that its lease is over', () => old?.signal.aborted === true && deaf.term === undefined)
    })
    await until('it leads anew', () => (deaf.term ?? 1) > 1)
    await deaf.stop()
  })

  it('runs the work again after it failed, in the same term', async () => {
    const duty = uniqueName('duty')
    const terms: number[] = []
    const leader = candidate(duty, LONG)
    leader.start(async (term) => {
      terms.push(term.number)
      if (terms.length < 3) throw new Error('not yet')
      await untilAborted(term)
    })
    await until('it was tried three times', () => terms.length === 3)
    await leader.stop()
    expect(terms).toEqual([1, 1, 1])
  })
})
