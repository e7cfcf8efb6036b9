import { questionTerms, termsOf, wordsOf } from './text/analyse.ts'
import { countTerms, inverseFrequency, saturation, type TermCounts } from './bm25.ts'
import type { RankedCandidate, RankingCandidate, RankingContribution, RankingCorpus, RankingOptions, RankingQuestion } from './types.ts'

/**
 * The candidates in the order in which they answer the question, best first; ties in the order given.
 *
 * Reads no clock, calls nothing and keeps nothing: the same input gives the same order. Never throws on any text.
 * Cost: about 10 ms for 300 candidates of a hundred words on one core.
 */
export function rank(
  question: RankingQuestion,
  candidates: readonly RankingCandidate[],
  corpus: RankingCorpus = {},
  options: RankingOptions = {},
): RankedCandidate[] {
  const terms = questionTerms(question.text).map(({ term }) => term)
  const texts = candidates.map(({ text }) => countTerms(termsOf(text)))
  const count = Math.max(corpus.count ?? 0, candidates.length)
  const averageLength = corpus.averageLength ?? texts.reduce((sum, { length }) => sum + length, 0) / Math.max(texts.length, 1)
  const weights = new Map(terms.map((term) => {
    const among = texts.filter(({ counts }) => counts.has(term)).length
    return [term, inverseFrequency(count, Math.max(corpus.documentFrequency?.get(term) ?? 0, among))]
  }))
  const bm25 = texts.map((text) => matchScore(text, weights, averageLength))
  const best = Math.max(1e-9, ...bm25)
  const at = new Map(candidates.map((candidate, index) => [place(candidate, 0), index]))
  const asked = new Set(wordsOf(question.text))

  const ranked = candidates.map((candidate, index): RankedCandidate => {
    const near = (offset: number): number => {
      const neighbour = candidate.session == null || candidate.position == null ? undefined : at.get(place(candidate, offset))
      return neighbour === undefined ? 0 : (bm25[neighbour] ?? 0) / best
    }
    const named = candidate.speaker != null && wordsOf(candidate.speaker).some((word) => asked.has(word)) ? 1 : 0
    const contributions = [
      part('bm25', (bm25[index] ?? 0) / best, 1),
      part('bm25 of the turn before', near(-1), 0.4),
      part('bm25 of the turn after', near(1), 0.2),
      part('speaker named', named, 0.15),
      part('similarity', candidate.similarity ?? 0, 0.5),
    ].filter(({ contribution }) => contribution !== 0).toSorted((a, b) => b.contribution - a.contribution)
    const matched = terms.filter((term) => texts[index]?.counts.has(term))
    return { id: candidate.id, score: contributions.reduce((sum, { contribution }) => sum + contribution, 0), explanation: { contributions, matched } }
  })
  return ranked.toSorted((a, b) => b.score - a.score).slice(0, options.limit ?? ranked.length)
}

function matchScore(text: TermCounts, weights: ReadonlyMap<string, number>, averageLength: number): number {
  return [...weights].reduce((sum, [term, weight]) => sum + weight * saturation(text.counts.get(term) ?? 0, text.length, averageLength), 0)
}

function place(candidate: RankingCandidate, offset: number): string {
  return `${candidate.session ?? ''}\u0000${(candidate.position ?? Number.NaN) + offset}`
}

function part(feature: string, value: number, weight: number): RankingContribution {
  return { feature, value, contribution: value * weight }
}
