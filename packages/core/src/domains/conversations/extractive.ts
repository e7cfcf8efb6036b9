import type { Message } from './types.ts'

const WORD = /[\p{L}\p{N}]{3,}/gu
/** Ends of sentences: a line break, or a full stop, exclamation or question mark before a blank. */
const SENTENCE_END = /(?<=[.!?…。！？])\s+|\n+/u
const SHORTEST = 20
const LONGEST = 400
/** So that neither a long sentence nor a short one wins by its length alone. */
const LENGTH_POWER = 0.6

interface Sentence {
  readonly place: number
  readonly text: string
  readonly words: readonly string[]
}

/**
 * The sentences that say most, in their order, each with who said it. A word weighs 1 + ln(n) with n the number of messages that have
 * it, and nothing when it is in one message alone or in more than half of ten or more; a sentence scores the sum of its different words
 * ÷ their number to the power 0.6, and what an earlier choice has said counts no more. '' without messages.
 */
export function extractSummary(messages: readonly Message[], maxSentences: number): string {
  const sentences = messages.flatMap((message) => sentencesOf(message)).map((sentence, place): Sentence => ({ ...sentence, place }))
  const weights = weigh(messages)
  const chosen: Sentence[] = []
  const said = new Set<string>()
  const left = new Set(sentences)
  while (chosen.length < maxSentences && left.size > 0) {
    let best: { sentence: Sentence; score: number } | undefined
    for (const sentence of left) {
      const fresh = sentence.words.filter((word) => !said.has(word))
      const score = fresh.reduce((sum, word) => sum + (weights.get(word) ?? 0), 0) / Math.max(1, sentence.words.length) ** LENGTH_POWER
      if (best === undefined || score > best.score) best = { sentence, score }
    }
    if (best === undefined || (best.score <= 0 && chosen.length > 0)) break
    chosen.push(best.sentence)
    left.delete(best.sentence)
    for (const word of best.sentence.words) said.add(word)
  }
  return chosen.toSorted((a, b) => a.place - b.place).map(({ text }) => text).join('\n')
}

function sentencesOf({ author, content }: Message): { text: string; words: string[] }[] {
  const who = author.label ?? author.kind
  const parts = content.split(SENTENCE_END).map((part) => part.trim()).filter((part) => part !== '')
  const long = parts.filter((part) => part.length >= SHORTEST)
  return (long.length > 0 ? long : parts.slice(0, 1)).map((part) => ({ text: `${who}: ${part.length > LONGEST ? `${cut(part)}…` : part}`, words: wordsOf(part) }))
}

function cut(text: string): string {
  const end = text.lastIndexOf(' ', LONGEST)
  return text.slice(0, end > LONGEST / 2 ? end : LONGEST).toWellFormed()
}

function wordsOf(text: string): string[] {
  return [...new Set(text.toLowerCase().match(WORD) ?? [])]
}

function weigh(messages: readonly Message[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { content } of messages) for (const word of wordsOf(content)) counts.set(word, (counts.get(word) ?? 0) + 1)
  const common = messages.length >= 10 ? messages.length / 2 : Infinity
  return new Map([...counts].map(([word, count]) => [word, count < 2 || count > common ? 0.01 : 1 + Math.log(count)]))
}
