import type { RecallTime } from './types.ts'

const MONTHS = ['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august', 'september', 'october', 'november', 'december']
const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday']
const NUMBERS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven', 'twelve']
const DAY_MS = 86_400_000

const MONTH = MONTHS.map((name) => `${name}|${name.slice(0, 3)}\\.?`).join('|')
const COUNT = `\\d{1,3}|an?|${NUMBERS.slice(1).join('|')}|a few|a couple of`

interface Rule {
  readonly form: RegExp
  readonly read: (match: RegExpExecArray, at: Date) => readonly [from: Date, to: Date] | undefined
}

/** From the most particular on: the first that fits is taken. All times are UTC, as the memories' are. */
const RULES: readonly Rule[] = [
  { form: /\b(\d{4})-(\d{2})-(\d{2})\b/, read: ([, y, m, d]) => day(Number(y), Number(m) - 1, Number(d)) },
  { form: new RegExp(`\\b(\\d{1,2})(?:st|nd|rd|th)?(?: of)? (${MONTH}),? (\\d{4})\\b`), read: ([, d, m, y]) => day(Number(y), monthOf(m), Number(d)) },
  { form: new RegExp(`\\b(${MONTH}) (\\d{1,2})(?:st|nd|rd|th)?,? (\\d{4})\\b`), read: ([, m, d, y]) => day(Number(y), monthOf(m), Number(d)) },
  { form: new RegExp(`\\b(${MONTH}),?(?: of)? (\\d{4})\\b`), read: ([, m, y]) => months(Number(y), monthOf(m), 1) },
  { form: new RegExp(`\\b(\\d{1,2})(?:st|nd|rd|th)?(?: of)? (${MONTH})\\b`), read: ([, d, m], at) => lastDay(monthOf(m), Number(d), at) },
  { form: new RegExp(`\\b(${MONTH}) (\\d{1,2})(?:st|nd|rd|th)?\\b`), read: ([, m, d], at) => lastDay(monthOf(m), Number(d), at) },
  { form: new RegExp(`\\b(${COUNT}) (day|week|month|year)s? ago\\b`), read: ([, n, unit], at) => ago(countOf(n), unit ?? '', at) },
  { form: new RegExp(`\\b(?:in |over |during )?the (?:last|past) (${COUNT}) (day|week|month|year)s?\\b`), read: ([, n, unit], at) => [back(countOf(n), unit ?? '', at), at] },
  { form: /\bthe day before yesterday\b/, read: (_, at) => dayOf(at, -2) },
  { form: /\byesterday\b/, read: (_, at) => dayOf(at, -1) },
  { form: /\btoday\b|\bthis (?:morning|afternoon|evening)\b/, read: (_, at) => dayOf(at, 0) },
  { form: /\blast night\b/, read: (_, at) => [new Date(midnight(at) - DAY_MS / 4), new Date(midnight(at) + DAY_MS / 4)] },
  { form: /\b(last|this) week\b/, read: ([, which], at) => week(at, which === 'last' ? -1 : 0) },
  { form: /\b(last|this) month\b/, read: ([, which], at) => months(at.getUTCFullYear(), at.getUTCMonth() - (which === 'last' ? 1 : 0), 1) },
  { form: /\b(last|this) year\b/, read: ([, which], at) => months(at.getUTCFullYear() - (which === 'last' ? 1 : 0), 0, 12) },
  { form: /\blast weekend\b/, read: (_, at) => { const [monday] = week(at, 0); return [new Date(monday.getTime() - 2 * DAY_MS), monday] } },
  { form: new RegExp(`\\b(?:last|on) (${WEEKDAYS.join('|')})\\b`), read: ([, name], at) => dayOf(at, -(((at.getUTCDay() - WEEKDAYS.indexOf(name ?? '') + 6) % 7) + 1)) },
  { form: /\b(?:last|this) (spring|summer|autumn|fall|winter)\b/, read: ([, name], at) => season(name ?? '', at) },
  // "may" and "march" alone are words as well: a month alone needs its preposition.
  { form: new RegExp(`\\b(?:in|during|since|last|early|late|mid) (${MONTHS.join('|')})\\b`), read: ([, m], at) => lastMonth(monthOf(m), at) },
  { form: /\b(?:in|during|of) (\d{4})\b/, read: ([, y]) => (Number(y) < 1900 || Number(y) > 2200 ? undefined : months(Number(y), 0, 12)) },
]

/** The first time that a question names, as a range of moments `from` ≤ t < `to`; null when it names none. `at`: when it is asked. */
export function timeIn(question: string, at: Date): RecallTime | null {
  const words = question.slice(0, 2_000).toLowerCase()
  for (const { form, read } of RULES) {
    const match = form.exec(words)
    const range = match === null ? undefined : read(match, at)
    if (match === null || range === undefined || range.some((moment) => Number.isNaN(moment.getTime()))) continue
    return { words: match[0], from: range[0], to: range[1] }
  }
  return null
}

function monthOf(name: string | undefined): number {
  return MONTHS.findIndex((month) => month.startsWith((name ?? '?').slice(0, 3)))
}

function countOf(text: string | undefined): number {
  if (text === 'a' || text === 'an') return 1
  if (text === 'a few') return 3
  if (text === 'a couple of') return 2
  const number = NUMBERS.indexOf(text ?? '')
  return number < 0 ? Number(text) : number
}

function midnight(at: Date): number {
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate())
}

function dayOf(at: Date, shift: number): [Date, Date] {
  const start = midnight(at) + shift * DAY_MS
  return [new Date(start), new Date(start + DAY_MS)]
}

/** Undefined for the 30th of February and its like. */
function day(year: number, month: number, date: number): [Date, Date] | undefined {
  const start = new Date(Date.UTC(year, month, date))
  return start.getUTCDate() === date && start.getUTCMonth() === month ? [start, new Date(start.getTime() + DAY_MS)] : undefined
}

function months(year: number, month: number, count: number): [Date, Date] {
  return [new Date(Date.UTC(year, month, 1)), new Date(Date.UTC(year, month + count, 1))]
}

/** The last such day up to `at`. */
function lastDay(month: number, date: number, at: Date): [Date, Date] | undefined {
  const year = at.getUTCFullYear()
  const range = day(year, month, date)
  return range !== undefined && range[0] > at ? day(year - 1, month, date) : range
}

function lastMonth(month: number, at: Date): [Date, Date] {
  return months(at.getUTCFullYear() - (month > at.getUTCMonth() ? 1 : 0), month, 1)
}

/** Weeks begin on Monday. */
function week(at: Date, shift: number): [Date, Date] {
  const monday = midnight(at) - ((at.getUTCDay() + 6) % 7) * DAY_MS + shift * 7 * DAY_MS
  return [new Date(monday), new Date(monday + 7 * DAY_MS)]
}

/** Of the northern half of the Earth; the last one that has begun. */
function season(name: string, at: Date): [Date, Date] {
  const first = { spring: 2, summer: 5, autumn: 8, fall: 8, winter: 11 }[name] ?? 0
  return months(at.getUTCFullYear() - (first > at.getUTCMonth() ? 1 : 0), first, 3)
}

function back(count: number, unit: string, at: Date): Date {
  if (unit === 'day') return new Date(at.getTime() - count * DAY_MS)
  if (unit === 'week') return new Date(at.getTime() - count * 7 * DAY_MS)
  const moved = new Date(at)
  if (unit === 'month') moved.setUTCMonth(moved.getUTCMonth() - count)
  else moved.setUTCFullYear(moved.getUTCFullYear() - count)
  return moved
}

/** "Two weeks ago" is said of what lies half a unit around. */
function ago(count: number, unit: string, at: Date): [Date, Date] {
  const middle = back(count, unit, at).getTime()
  if (unit === 'day') return dayOf(new Date(middle), 0)
  const half = { week: 3.5, month: 15, year: 183 }[unit] ?? 0
  return [new Date(middle - half * DAY_MS), new Date(middle + half * DAY_MS)]
}
