import { Cron } from 'croner'
import { CairnError } from '../../errors/index.ts'
import type { Schedule } from './types.ts'

/** What decides when ticks are. Times are in ms since 1970 below; a tick is a whole number of them. */
export type Timing = Pick<Schedule, 'cron' | 'everyMs' | 'at' | 'timeZone' | 'anchorAt' | 'startsAt' | 'endsAt'>

const CACHED = 10_000
const crons = new Map<string, Cron>()

/**
 * Times of day that a change of the clock leaves out come at its end; those that come twice count once. With a wildcard or a step
 * in hours, minutes or seconds, what is left out is left out, and what comes twice counts twice.
 */
function cronOf(expression: string, timeZone: string): Cron {
  const name = `${timeZone} ${expression}`
  const known = crons.get(name)
  if (known !== undefined) return known
  if (crons.size >= CACHED) crons.clear()
  const made = new Cron(expression, { timezone: timeZone, fixedTimeRule: 'no-wildcard', paused: true })
  crons.set(name, made)
  return made
}

/** Why the expression cannot be used; undefined when it can. */
export function cronProblem(expression: string, timeZone: string): string | undefined {
  // croner takes a date for an expression, too.
  if (!expression.startsWith('@') && !/^\S+(?:\s+\S+){4,6}$/.test(expression)) return 'needs five fields (minute hour day month weekday), six with seconds first, or seven with the year last'
  try {
    return cronOf(expression, timeZone).nextRun(new Date(0)) === null ? 'never comes' : undefined
  } catch (error) {
    return `is not a cron expression (${(error as Error).message.replace(/^CronPattern: /, '')})`
  }
}

function cronTickAfter(cron: string, timeZone: string, after: number): number | null {
  try {
    return cronOf(cron, timeZone).nextRun(new Date(after))?.getTime() ?? null
  } catch (cause) {
    throw new CairnError('INVALID_ARGUMENT', `cron: ${JSON.stringify(cron)} in the time zone ${JSON.stringify(timeZone)} cannot be read (any more): ${(cause as Error).message}`, { cause, details: { field: 'cron' } })
  }
}

/** The first tick after `after`; null when none is left. INVALID_ARGUMENT when this runtime cannot read the expression or does not know the zone. */
export function tickAfter(timing: Timing, after: number): number | null {
  const { cron, everyMs, at, timeZone, anchorAt, startsAt, endsAt } = timing
  const from = startsAt === null ? after : Math.max(after, startsAt.getTime() - 1)
  let tick: number | null
  if (cron !== null) tick = cronTickAfter(cron, timeZone, from)
  else if (everyMs !== null) tick = anchorAt.getTime() + (Math.floor((from - anchorAt.getTime()) / everyMs) + 1) * everyMs
  else tick = at !== null && at.getTime() > from ? at.getTime() : null
  return tick === null || (endsAt !== null && tick > endsAt.getTime()) ? null : tick
}

/** Where a schedule begins that was stored, changed or resumed at `now`: a single time may be past and waits to be decided on. */
export function firstTick(timing: Timing, now: number, lastRunAt: Date | null): number | null {
  const last = lastRunAt?.getTime() ?? -Infinity
  if (timing.at !== null) return timing.at.getTime() > last ? timing.at.getTime() : null
  return tickAfter(timing, Math.max(now, last))
}

/**
 * The newest `limit` ticks from `first`, which is one, up to `now`, and the one after. Looks for them in a window before `now` that grows,
 * so that the cost is that of `limit` ticks and not of all that were missed.
 */
export function dueTicks(timing: Timing, first: number, now: number, limit: number): { readonly ticks: readonly number[]; readonly next: number | null } {
  const second = tickAfter(timing, first)
  if (second === null || second > now) return { ticks: [first], next: second }
  for (let span = limit * 1000; ; span *= 2) {
    const from = Math.max(first - 1, now - span)
    const ticks: number[] = []
    let tick = tickAfter(timing, from)
    for (; tick !== null && tick <= now; tick = tickAfter(timing, tick)) ticks.push(tick)
    if (ticks.length >= limit || from === first - 1) return { ticks: ticks.slice(-limit), next: tick }
  }
}

/** Those of the due ticks that make a task. */
export function ticksToMake(schedule: Timing & Pick<Schedule, 'catchUp' | 'catchUpLimit' | 'graceMs'>, first: number, now: number): { readonly ticks: readonly number[]; readonly next: number | null } {
  const { catchUp, catchUpLimit, graceMs } = schedule
  // No two ticks are less than a second apart.
  const recentAtMost = Math.min(1000, Math.ceil(graceMs / 1000) + 1)
  const { ticks, next } = dueTicks(schedule, first, now, catchUp === 'all' ? Math.max(catchUpLimit, recentAtMost) : recentAtMost)
  const recent = ticks.filter((tick) => now - tick <= graceMs)
  const late = ticks.slice(0, ticks.length - recent.length)
  if (catchUp === 'skip') return { ticks: recent, next }
  if (catchUp === 'one') return { ticks: recent.length > 0 ? recent : late.slice(-1), next }
  return { ticks: recent.length >= catchUpLimit ? recent : [...late.slice(recent.length - catchUpLimit), ...recent], next }
}
