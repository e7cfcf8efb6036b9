import { measure, questionTerms, termsOf, type RankingCandidate, type RankingCorpus } from '../../packages/core/src/ranking/index.ts'
import type { LocomoFile, LocomoQuestion } from './locomo-questions.ts'
import { dot } from './vectors.ts'

/** One question with its measured candidates. */
export interface Example {
  readonly file: string
  readonly question: LocomoQuestion
  readonly ids: readonly string[]
  /** By candidate: `measures.length` values each. */
  readonly values: Float32Array
  readonly measures: readonly string[]
  readonly similarities: readonly number[]
}

const BY_TEXT = 80
const BY_VECTOR = 40
const NEAR_TEXT = 40
const NEAR_VECTOR = 20

/**
 * Questions with the candidates that a recall from a database would have: the best 80 by text, the best 40 by vector, and
 * the two turns before and after the best 40 and 20 of them. Without vectors: by text only.
 */
export function examplesOf(file: LocomoFile, vectors: ReadonlyMap<string, Float32Array> | undefined): Example[] {
  const terms = file.turns.map(({ text }) => termsOf(text))
  const frequency = new Map<string, number>()
  for (const all of terms) for (const term of new Set(all)) frequency.set(term, (frequency.get(term) ?? 0) + 1)
  const corpus: RankingCorpus = {
    count: file.turns.length,
    averageLength: terms.reduce((sum, all) => sum + all.length, 0) / file.turns.length,
    documentFrequency: frequency,
    speakers: [...new Set(file.turns.map(({ speaker }) => speaker))],
  }
  const at = new Map(file.turns.map(({ session, position }, index) => [`${session}:${position}`, index]))
  return file.questions.map((question) => {
    const asked = vectors?.get(question.text)
    const similarity = file.turns.map((turn) => (asked === undefined ? 0 : dot(asked, vectors?.get(embeddedText(turn)) as Float32Array)))
    const text = textScores(question.text, terms, corpus)
    const byText = best(text, BY_TEXT).filter((index) => (text[index] as number) > 0)
    const byVector = asked === undefined ? [] : best(similarity, BY_VECTOR)
    const chosen = new Set([...byText, ...byVector])
    for (const index of [...byText.slice(0, NEAR_TEXT), ...byVector.slice(0, NEAR_VECTOR)]) {
      const turn = file.turns[index] as LocomoFile['turns'][number]
      for (const offset of [-2, -1, 1, 2]) {
        const near = at.get(`${turn.session}:${turn.position + offset}`)
        if (near !== undefined) chosen.add(near)
      }
    }
    const indexes = [...chosen]
    const candidates = indexes.map((index): RankingCandidate => {
      const turn = file.turns[index] as LocomoFile['turns'][number]
      return asked === undefined ? turn : { ...turn, similarity: similarity[index] as number }
    })
    const columns = [...measure({ text: question.text }, candidates, corpus)]
    const values = new Float32Array(candidates.length * columns.length)
    columns.forEach(([, column], number) => column.forEach((value, index) => { values[index * columns.length + number] = value }))
    return { file: file.name, question, ids: candidates.map(({ id }) => id), values, measures: columns.map(([name]) => name), similarities: indexes.map((index) => similarity[index] as number) }
  })
}

/** What is embedded of a turn: who says it, and what. */
export function embeddedText({ speaker, text }: { readonly speaker: string; readonly text: string }): string {
  return `${speaker}: ${text}`
}

/** Plain BM25 with k1 1.2 and b 0.75 over the whole file, as the recall's first step by text. */
function textScores(question: string, texts: readonly (readonly string[])[], corpus: RankingCorpus): number[] {
  const asked = questionTerms(question).map(({ term }) => term)
  const count = corpus.count ?? 0
  return texts.map((terms) => asked.reduce((score, term) => {
    const n = terms.filter((other) => other === term).length
    const frequency = corpus.documentFrequency?.get(term) ?? 0
    const weight = Math.log(1 + (count - frequency + 0.5) / (frequency + 0.5))
    return score + (weight * n * 2.2) / (n + 1.2 * (0.25 + (0.75 * terms.length) / (corpus.averageLength ?? 1)))
  }, 0))
}

function best(scores: readonly number[], count: number): number[] {
  return [...scores.keys()].toSorted((a, b) => (scores[b] as number) - (scores[a] as number)).slice(0, count)
}
