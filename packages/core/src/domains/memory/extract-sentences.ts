import { readText, shared } from './conflict-rules.ts'
import type { Memory } from './types.ts'

/** From this share of common words on, a sentence adds nothing. */
const REPEATS_FROM = 0.8
/** More sentences are not compared with each other. */
const MAX_SENTENCES = 2000

interface Sentence {
  readonly text: string
  readonly order: number
  readonly terms: ReadonlySet<string>
  readonly weight: number
}

/**
 * The sentences of many memories that say most, in the order of time, in at most `maxChars` characters. A sentence weighs what the words
 * it has are worth (in how many memories each comes, by the root of the number of words) times 0.5 + the importance of its memory;
 * one that repeats a heavier one is left out.
 */
export function extractSentences(memories: readonly Memory[], maxChars: number): string {
  const inOrder = [...memories].sort((a, b) => a.occurredAt.getTime() - b.occurredAt.getTime() || (a.id < b.id ? -1 : 1))
  const sentences = inOrder.flatMap((memory) => splitSentences(memory.content).map((text) => ({ text, importance: memory.importance, terms: termsOf(text) }))).slice(0, MAX_SENTENCES)
  const common = new Map<string, number>()
  for (const memory of inOrder) for (const term of termsOf(memory.content)) common.set(term, (common.get(term) ?? 0) + 1)
  const weighed = sentences.map(({ text, importance, terms }, order): Sentence => {
    const worth = [...terms].reduce((sum, term) => sum + (common.get(term) ?? 0), 0)
    return { text, order, terms, weight: (worth / Math.sqrt(terms.size || 1)) * (0.5 + importance) }
  })
  const chosen: Sentence[] = []
  let length = 0
  for (const sentence of weighed.sort((a, b) => b.weight - a.weight || a.order - b.order)) {
    const needs = [...sentence.text].length + 1
    if (length + needs > maxChars || chosen.some((other) => shared(other.terms, sentence.terms) >= REPEATS_FROM)) continue
    chosen.push(sentence)
    length += needs
  }
  if (chosen.length === 0) return [...(weighed[0]?.text ?? '')].slice(0, maxChars).join('')
  return chosen.sort((a, b) => a.order - b.order).map(({ text }) => text).join(' ')
}

function splitSentences(content: string): string[] {
  return content.split(/(?<=[.!?…。！？])\s+|\n+/u).map((sentence) => sentence.trim()).filter((sentence) => sentence !== '')
}

/** With numbers: two sentences that differ in one say two things. */
function termsOf(text: string): Set<string> {
  const { terms, values, negated } = readText(text)
  return new Set([...terms, ...values, ...(negated ? ['not'] : [])])
}
