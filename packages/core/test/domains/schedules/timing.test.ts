import { Cron } from 'croner'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Timing, cronProblem, dueTicks, firstTick, tickAfter, ticksToMake } from '../../../src/domains/schedules/timing.ts'

const timing = (given: Partial<Timing>): Timing => ({ cron: null, everyMs: null, at: null, timeZone: 'UTC', anchorAt: new Date(0), startsAt: null, endsAt: null, ...given })
const berlin = (cron: string): Timing => timing({ cron, timeZone: 'Europe/Berlin' })
const list = (given: Timing, from: string, count: number): string[] => {
  const ticks: string[] = []
  for (let tick = tickAfter(given, Date.parse(from)); tick !== null && ticks.length < count; tick = tickAfter(given, tick)) ticks.push(new Date(tick).toISOString().slice(5, 16))
  return ticks
}

/** The clock of a zone, by Intl alone. */
function wallClock(timeZone: string): (ms: number) => { minute: number; hour: number; text: string } {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' })
  return (ms) => {
    const part = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]))
    return { minute: Number(part['minute']), hour: Number(part['hour']), text: `${part['day']} ${part['hour']}:${part['minute']}` }
  }
}

describe('Europe/Berlin', () => {
  it('in March 2:30 does not come: the day has its tick at the end of the gap, and what has a step leaves the gap out', () => {
    expect(list(berlin('30 2 * * *'), '2026-03-28T00:00:00Z', 3)).toEqual(['03-28T01:30', '03-29T01:00', '03-30T00:30'])
    expect(list(berlin('30 2,14 * * *'), '2026-03-29T00:00:00Z', 3)).toEqual(['03-29T01:00', '03-29T12:30', '03-30T00:30'])
    expect(list(berlin('*/30 2 * * *'), '2026-03-28T22:00:00Z', 2)).toEqual(['03-30T00:00', '03-30T00:30'])
    expect(list(berlin('*/30 * * * *'), '2026-03-29T00:00:00Z', 4)).toEqual(['03-29T00:30', '03-29T01:00', '03-29T01:30', '03-29T02:00'])
  })

  it('in October 2:30 comes twice: the day has one tick, and what has a step has both', () => {
    expect(list(berlin('30 2 * * *'), '2026-10-24T00:00:00Z', 3)).toEqual(['10-24T00:30', '10-25T00:30', '10-26T01:30'])
    expect(list(berlin('30 2 * * *'), '2026-10-25T00:45:00Z', 1)).toEqual(['10-26T01:30'])
    expect(list(berlin('*/30 2 * * *'), '2026-10-24T23:50:00Z', 5)).toEqual(['10-25T00:00', '10-25T00:30', '10-25T01:00', '10-25T01:30', '10-26T01:00'])
    expect(list(berlin('30 * * * *'), '2026-10-25T00:00:00Z', 3)).toEqual(['10-25T00:30', '10-25T01:30', '10-25T02:30'])
  })

  it('an interval takes no notice of either', () => {
    const daily = timing({ everyMs: 86_400_000, timeZone: 'Europe/Berlin', anchorAt: new Date('2026-03-28T01:30:00Z') })
    expect(list(daily, '2026-03-28T01:30:00Z', 2)).toEqual(['03-29T01:30', '03-30T01:30'])
  })
})

const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'America/St_Johns', 'Africa/Casablanca', 'Pacific/Apia']
const START = Date.UTC(2026, 0, 1)
const moment = fc.integer({ min: START, max: START + 370 * 86_400_000 })
const zone = fc.constantFrom(...ZONES)

describe('for any zone and moment', () => {
  it('a step in minutes ticks whenever the clock on the wall shows such a minute, also twice', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(zone, moment, fc.constantFrom(5, 10, 15, 20, 30), (timeZone, from, step) => {
        const clock = wallClock(timeZone)
        const expected: number[] = []
        const begin = Math.floor(from / 60_000) * 60_000
        for (let at = begin + 60_000; at <= begin + 3 * 3_600_000; at += 60_000) if (clock(at).minute % step === 0) expected.push(at)
        const given = timing({ cron: `*/${step} * * * *`, timeZone })
        const ticks: number[] = []
        for (let tick = tickAfter(given, from); tick !== null && tick <= begin + 3 * 3_600_000; tick = tickAfter(given, tick)) ticks.push(tick)
        expect(ticks).toEqual(expected)
      }),
      { numRuns: 150 },
    )
  })

  it('a time of day comes once on each day, at that time whenever the clock shows it', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(zone, moment, fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }), (timeZone, from, hour, minute) => {
        const clock = wallClock(timeZone)
        const given = timing({ cron: `${minute} ${hour} * * *`, timeZone })
        const days: string[] = []
        let tick = tickAfter(given, from)
        for (let n = 0; n < 10; n++) {
          const shown = clock(tick as number)
          days.push(shown.text.slice(0, 2))
          if (shown.hour !== hour || shown.minute !== minute) {
            // A gap: an hour before, the clock had not come to that time, and now it is past it.
            const before = clock((tick as number) - 60_000)
            expect(before.hour * 60 + before.minute).toBeLessThan(hour * 60 + minute)
            expect(shown.hour * 60 + shown.minute).toBeGreaterThan(hour * 60 + minute)
          }
          tick = tickAfter(given, tick as number)
        }
        expect(new Set(days).size).toBe(10)
      }),
      { numRuns: 150 },
    )
  })

  it('is the same as croner counting on, wherever one begins', { timeout: 120_000 }, () => {
    const cron = fc.constantFrom('*/7 * * * *', '30 2 * * *', '15,45 1-3 * * *', '*/20 30 2 * * *', '0 9 * * MON-FRI', '0 0 L * *', '0 12 * * SUN#2', '@hourly', '5 4 1 */3 *')
    fc.assert(
      fc.property(cron, zone, moment, fc.integer({ min: 0, max: 999 }), (expression, timeZone, from, ms) => {
        const given = timing({ cron: expression, timeZone })
        const expected = new Cron(expression, { timezone: timeZone, fixedTimeRule: 'no-wildcard', paused: true }).nextRuns(20, new Date(from)).map((date) => date.getTime())
        // From the moment, from one tick to the next, and from any ms before the next.
        for (let n = 0, after = from; n < 20; n++) {
          const tick = tickAfter(given, after) as number
          expect(tick).toBe(expected[n])
          expect(tickAfter(given, Math.max(after, tick - 1 - ms))).toBe(tick)
          after = tick
        }
      }),
      { numRuns: 150 },
    )
  })

  it('what is due is the newest of all that were missed, however long ago, and the next follows', { timeout: 120_000 }, () => {
    const given = fc.oneof(
      fc.constantFrom('*/7 * * * *', '30 2 * * *', '*/30 2 * * *', '@hourly').chain((cron) => zone.map((timeZone) => timing({ cron, timeZone }))),
      fc.integer({ min: 60_000, max: 10_000_000 }).map((everyMs) => timing({ everyMs, anchorAt: new Date(START) })),
    )
    fc.assert(
      fc.property(given, moment, fc.integer({ min: 0, max: 2 * 86_400_000 }), fc.integer({ min: 1, max: 50 }), (each, from, away, limit) => {
        const first = tickAfter(each, from) as number
        const now = first + away
        const all: number[] = []
        let tick: number | null = first
        for (; tick !== null && tick <= now; tick = tickAfter(each, tick)) all.push(tick)
        const due = dueTicks(each, first, now, limit)
        expect(due.ticks.slice(-limit)).toEqual(all.slice(-limit))
        expect(due.next).toBe(tick)
      }),
      { numRuns: 300 },
    )
  })

  it('policies make no tick twice, none that is not due, and all that are within the grace', () => {
    const input = fc.record({ catchUp: fc.constantFrom('skip', 'one', 'all'), catchUpLimit: fc.integer({ min: 1, max: 200 }), graceMs: fc.integer({ min: 0, max: 100_000 }), everyMs: fc.integer({ min: 1000, max: 60_000 }), missed: fc.integer({ min: 0, max: 3_000_000 }) })
    fc.assert(
      fc.property(input, ({ catchUp, catchUpLimit, graceMs, everyMs, missed }) => {
        const first = START + everyMs
        const now = first + missed
        const { ticks, next } = ticksToMake({ ...timing({ everyMs, anchorAt: new Date(START) }), catchUp, catchUpLimit, graceMs }, first, now)
        const all = Array.from({ length: Math.floor(missed / everyMs) + 1 }, (_, n) => first + n * everyMs)
        const recent = all.filter((tick) => now - tick <= graceMs)
        const expected = catchUp === 'skip' ? recent : catchUp === 'one' ? (recent.length > 0 ? recent : all.slice(-1)) : all.slice(-Math.max(catchUpLimit, recent.length))
        expect(ticks).toEqual(expected)
        expect(next).toBe((all.at(-1) as number) + everyMs)
      }),
    )
  })
})

it('bounds are kept: nothing before the start, nothing after the end, both themselves included', () => {
  const [startsAt, endsAt] = [new Date('2026-05-01T00:00:00Z'), new Date('2026-05-01T02:00:00Z')]
  for (const given of [timing({ cron: '0 * * * *', startsAt, endsAt }), timing({ everyMs: 3_600_000, anchorAt: startsAt, startsAt, endsAt })]) {
    expect(list(given, '2020-01-01T00:00:00Z', 9)).toEqual(['05-01T00:00', '05-01T01:00', '05-01T02:00'])
    expect(tickAfter(given, endsAt.getTime())).toBeNull()
  }
  const once = timing({ at: startsAt })
  expect(firstTick(once, Date.parse('2030-01-01T00:00:00Z'), null)).toBe(startsAt.getTime())
  expect(firstTick(once, Date.parse('2020-01-01T00:00:00Z'), startsAt)).toBeNull()
})

it('a clock that goes back makes no earlier tick again', () => {
  const hourly = timing({ cron: '@hourly' })
  expect(firstTick(hourly, Date.parse('2026-05-01T09:59:00Z'), new Date('2026-05-01T10:00:00Z'))).toBe(Date.parse('2026-05-01T11:00:00Z'))
})

it('says what is wrong with an expression', () => {
  for (const [cron, problem] of [['* * *', /five fields/], ['61 * * * *', /minute/], ['0 0 31 2 *', /never comes/], ['2026-01-01T00:00:00', /five fields/], ['@reboot', /not a cron/], ['* * * * 8', /not a cron/]] as const) expect(cronProblem(cron, 'UTC'), cron).toMatch(problem)
  for (const cron of ['* * * * *', '*/10 * * * * *', '0 0 L * *', '@daily', '0  9\t* * MON-FRI']) expect(cronProblem(cron, 'UTC'), cron).toBeUndefined()
})
