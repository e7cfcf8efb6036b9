/** A stretch of time, in UTC: from `from` up to, but not including, `to`. */
export interface TimeRange {
  readonly from: Date
  readonly to: Date
}

const MONTHS = ['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august', 'september', 'october', 'november', 'december']
const DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday']
const MONTH = `(${MONTHS.join('|')})`
const COUNTS: Readonly<Record<string, number>> = { a: 1, an: 1, one: 1, two: 2, three: 3, four: 4, five: 5, six: 6, seven: 7, eight: 8, nine: 9, ten: 10 }
const COUNT = `(\\d{1,3}|${Object.keys(COUNTS).join('|')})`
const DAY_MS = 86_400_000

const DAY_FIRST = new RegExp(`\\b(\\d{1,2})(?:st|nd|rd|th)?(?: of)? ${MONTH},? ?((?:19|20)\\d\\d)?\\b`, 'g')
const MONTH_FIRST = new RegExp(`\\b${MONTH} (\\d{1,2})(?:st|nd|rd|th)?\\b(?!\\d)(?:,? ((?:19|20)\\d\\d))?`, 'g')
const MONTH_ALONE = new RegExp(`\\b${MONTH}\\b(?:,? (?:of )?((?:19|20)\\d\\d))?`, 'g')
const ISO = /\b((?:19|20)\d\d)-(\d\d)(?:-(\d\d))?\b/g
const YEAR = /\b((?:19|20)\d\d)\b/g
const AGO = new RegExp(`\\b${COUNT} (day|week|month|year)s? ago\\b`, 'g')
const PAST = /\b(?:last|past|previous) (week|month|year|weekend|sunday|monday|tuesday|wednesday|thursday|friday|saturday)\b/g
const CURRENT = /\bthis (week|month|year)\b/g

/**
 * Times that a question in English names, in the order of their kinds: dates, months, years, and times relative to `at`
 * ("yesterday", "last week", "3 months ago"; weeks begin on Monday). A date or month without a year is the latest one
 * not after `at`; it says nothing when `at` is not known, and so do relative times. Impossible dates (30 February) say nothing.
 */
export function questionTimes(question: string, at?: Date | null): TimeRange[] {
  const now = at != null && Number.isFinite(at.getTime()) ? at : undefined
  const ranges: TimeRange[] = []
  let rest = question.slice(0, 4096).toLowerCase()
  const take = (pattern: RegExp, read: (found: readonly (string | undefined)[]) => TimeRange | undefined): void => {
    rest = rest.replace(pattern, (...found: unknown[]) => {
      const groups = found.slice(0, found.findIndex((part) => typeof part === 'number')) as (string | undefined)[]
      const range = read(groups)
      if (range !== undefined) ranges.push(range)
      return ' '
    })
  }
  take(ISO, ([, year, month, day]) => (day === undefined ? monthOf(Number(year), Number(month) - 1) : dayOf(Number(year), Number(month) - 1, Number(day))))
  take(DAY_FIRST, ([, day, month, year]) => dated(month, Number(day), year, now))
  take(MONTH_FIRST, ([, month, day, year]) => dated(month, Number(day), year, now))
  if (!/\b(?:May|March)\b/.test(question)) rest = rest.replace(/\b(?:may|march)\b/g, ' ')
  take(MONTH_ALONE, ([, month, year]) => dated(month, undefined, year, now))
  take(YEAR, ([, year]) => ({ from: new Date(Date.UTC(Number(year), 0, 1)), to: new Date(Date.UTC(Number(year) + 1, 0, 1)) }))
  if (now === undefined) return ranges
  take(AGO, ([, count = '', unit = '']) => around(now, COUNTS[count] ?? Number(count), unit))
  take(PAST, ([, unit = '']) => before(now, unit))
  take(CURRENT, ([, unit = '']) => around(now, 0, unit))
  take(/\b(today|tonight|yesterday)\b/g, ([, word]) => around(now, word === 'yesterday' ? 1 : 0, 'day'))
  return ranges
}

function dayOf(year: number, month: number, day: number): TimeRange | undefined {
  const from = new Date(Date.UTC(year, month, day))
  return from.getUTCMonth() === month && from.getUTCDate() === day ? { from, to: new Date(from.getTime() + DAY_MS) } : undefined
}

function monthOf(year: number, month: number): TimeRange | undefined {
  return month < 0 || month > 11 ? undefined : { from: new Date(Date.UTC(year, month, 1)), to: new Date(Date.UTC(year, month + 1, 1)) }
}

function dated(name: string | undefined, day: number | undefined, year: string | undefined, now: Date | undefined): TimeRange | undefined {
  const month = MONTHS.indexOf(name ?? '')
  const read = (of: number): TimeRange | undefined => (day === undefined ? monthOf(of, month) : dayOf(of, month, day))
  if (year !== undefined) return read(Number(year))
  if (now === undefined) return undefined
  const sameYear = read(now.getUTCFullYear())
  return sameYear !== undefined && sameYear.from <= now ? sameYear : read(now.getUTCFullYear() - 1)
}

/** The day, week, month or year that lies `count` of them before `now`. */
function around(now: Date, count: number, unit: string): TimeRange {
  const [year, month, day] = [now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()]
  if (unit === 'year') return { from: new Date(Date.UTC(year - count, 0, 1)), to: new Date(Date.UTC(year - count + 1, 0, 1)) }
  if (unit === 'month') return { from: new Date(Date.UTC(year, month - count, 1)), to: new Date(Date.UTC(year, month - count + 1, 1)) }
  const length = unit === 'week' ? 7 : 1
  const from = Date.UTC(year, month, day - (unit === 'week' ? (now.getUTCDay() + 6) % 7 : 0) - count * length)
  return { from: new Date(from), to: new Date(from + length * DAY_MS) }
}

function before(now: Date, unit: string): TimeRange {
  if (unit === 'weekend') {
    const monday = around(now, 0, 'week').from.getTime()
    return { from: new Date(monday - 2 * DAY_MS), to: new Date(monday) }
  }
  const weekday = DAYS.indexOf(unit)
  return weekday < 0 ? around(now, 1, unit) : around(now, (now.getUTCDay() - weekday + 6) % 7 + 1, 'day')
}
