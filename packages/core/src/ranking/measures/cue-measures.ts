import { termOf, wordsOf } from '../text/analyse.ts'
import { column, type Columns, type Prepared } from './prepared.ts'

const CUES = [
  'asks', 'relativeTimes', 'dates', 'durations', 'numbers', 'names', 'quotes', 'reasons', 'people', 'firstPerson', 'secondPerson', 'courtesy', 'past',
] as const
const MOST = 6
const DAY_MS = 86_400_000

/** Who speaks, what kind of text it is, whether it has what the question's kind asks for, and when it was said. */
export function measureCues(data: Prepared, columns: Columns): void {
  const { question, candidates, cues } = data
  const size = candidates.length
  column(columns, 'speaker', size, (index) => {
    const speaker = candidates[index]?.speaker
    if (speaker == null || question.named.size !== 1) return 0
    return question.named.has(speaker) ? 1 : -1
  })
  const namedTerms = [...question.named].flatMap(wordsOf).filter((word) => word.length > 2).map(termOf)
  column(columns, 'addressed', size, (index) => (namedTerms.some((term) => data.texts[index]?.counts.has(term)) ? 1 : 0))
  for (const name of CUES) column(columns, name, size, (index) => Math.min(MOST, cues[index]?.[name] ?? 0))
  column(columns, 'length', size, (index) => Math.log1p(cues[index]?.words ?? 0))
  column(columns, 'position', size, (index) => Math.max(0, Math.min(20, candidates[index]?.position ?? 10)))
  column(columns, 'before asks', size, (index) => cues[data.near(index, -1)]?.endsAsking ?? 0)
  const self = columns.get('bm25') as Float64Array
  column(columns, 'answers', size, (index) => (cues[data.near(index, -1)]?.endsAsking ?? 0) * (self[data.near(index, -1)] ?? 0))
  for (const [name, holds] of Object.entries(question.kind)) column(columns, `question ${name}`, size, () => Number(holds))
  column(columns, 'question terms', size, () => question.terms.length)
  column(columns, 'kind', size, (index) => fit(data, index))
  column(columns, 'date', size, (index) => timeFit(data, candidates[index]?.at))
}

/** How many of the things that the question's kind asks for the text has. */
function fit({ question: { kind }, cues }: Prepared, index: number): number {
  const cue = cues[index]
  if (cue === undefined) return 0
  return [
    kind.when && cue.relativeTimes + cue.dates > 0,
    kind.duration && cue.durations > 0,
    kind.amount && cue.numbers > 0,
    kind.where && cue.names > 0,
    kind.who && cue.people + cue.names > 0,
    kind.why && cue.reasons > 0,
  ].filter(Boolean).length
}

/** 2 when said within a time that the question names, down to -1: what happened then is told soon after, seldom long after. */
function timeFit({ times, question }: Prepared, at: Date | null | undefined): number {
  if (at == null || !Number.isFinite(at.getTime())) return 0
  if (times.length === 0) return question.months.size === 0 ? 0 : monthFit(question.months, at.getUTCMonth())
  return times.reduce((best, { from, to }) => {
    const length = Math.min(31, (to.getTime() - from.getTime()) / DAY_MS)
    const after = (at.getTime() - to.getTime()) / DAY_MS
    const before = (from.getTime() - at.getTime()) / DAY_MS
    if (before <= 0 && after < 0) return Math.max(best, 2)
    if (after >= 0) return Math.max(best, after <= 3 ? 1.5 : after <= Math.max(10, length / 2) ? 1 : after <= 40 ? 0 : -1)
    return Math.max(best, before <= 3 ? 1 : before <= 40 ? -0.5 : -1)
  }, -1)
}

function monthFit(months: ReadonlySet<number>, month: number): number {
  if (months.has(month)) return 2
  return months.has((month + 11) % 12) ? 0.5 : -1
}
