import * as z from 'zod'
import { check } from '../checks/index.ts'
import { diversify } from './diversify.ts'
import { measure } from './measures/index.ts'
import { scoreAll } from './model/score-all.ts'
import { contributionsOf } from './model/trees.ts'
import { FULL_WEIGHTS } from './model/weights-full.ts'
import { TEXT_WEIGHTS } from './model/weights-text.ts'
import { spreadGroups } from './spread.ts'
import { questionTerms, termsOf } from './text/analyse.ts'
import type { RankedCandidate, RankingCandidate, RankingContribution, RankingCorpus, RankingOptions, RankingQuestion } from './types.ts'

const OPTIONS = z.strictObject({ limit: z.number().int().min(0).optional(), diversity: z.number().min(0).max(1).optional(), spread: z.boolean().optional() })
/** So many times the limit are looked at for another session's best. */
const SPREAD_OVER = 3

/**
 * The candidates in the order in which they answer the question, best first; ties in the order given.
 *
 * Two tables of weights: one for candidates of which any has a `similarity`, one for text alone. Both were fitted to
 * conversations in English between two people (docs/reference/ranking.md); other texts are ranked by the same measures.
 *
 * Reads no clock, calls nothing and keeps nothing but stems: the same input gives the same order. Never throws on any text;
 * INVALID_ARGUMENT for a `limit` that is not a whole number from 0, or a `diversity` outside 0 to 1.
 * Cost: linear in the candidates and their length; docs/reference/ranking.md has figures.
 */
export function rank(
  question: RankingQuestion,
  candidates: readonly RankingCandidate[],
  corpus: RankingCorpus = {},
  options: RankingOptions = {},
): RankedCandidate[] {
  const { limit = candidates.length, diversity = 0, spread = false } = check(OPTIONS, options)
  const measured = measure(question, candidates, corpus)
  const model = candidates.some(({ similarity }) => similarity != null && Number.isFinite(similarity)) ? FULL_WEIGHTS : TEXT_WEIGHTS
  const columns = model.measures.map((name) => measured.get(name) as Float64Array)
  const scores = scoreAll(model, columns, candidates.length)
  const order = Array.from(scores.keys()).sort((a, b) => (scores[b] as number) - (scores[a] as number))
  const looked = spread ? limit * SPREAD_OVER : limit
  const best = diversity === 0
    ? order.slice(0, looked).map((index) => ({ index, likeness: 0, penalty: 0 }))
    : diversify(order, Array.from(scores), candidates.map(({ text, analysis }) => new Set(analysis?.sequence ?? termsOf(text))), looked, diversity)
  const chosen = spread ? spreadGroups(best, ({ index }) => candidates[index]?.session, limit) : best
  const terms = questionTerms(question.text).map(({ term }) => term)
  return chosen.map(({ index, likeness, penalty }) => {
    const { base, byMeasure } = contributionsOf(model, (number) => columns[number]?.[index] ?? 0)
    const contributions = [
      ...model.measures.map((feature, number): RankingContribution => ({ feature, value: columns[number]?.[index] ?? 0, contribution: byMeasure[number] as number })),
      { feature: 'base', value: 1, contribution: base },
      { feature: 'diversity', value: likeness, contribution: -penalty },
    ].filter(({ contribution }) => contribution !== 0).toSorted((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution))
    const candidate = candidates[index] as RankingCandidate
    const own = new Set(candidate.analysis?.sequence ?? termsOf(candidate.text))
    return { id: candidate.id, score: (scores[index] as number) - penalty, explanation: { contributions, matched: terms.filter((term) => own.has(term)) } }
  })
}
