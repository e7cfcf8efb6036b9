import type { Counts, MessageSignal, NewInteraction } from './types.ts'
import { FORMAL, INFORMAL, LEARNING, PLANNING, POLITE, REQUESTING, RESPONSE_LENGTHS, RESPONSE_TRAITS, type ResponseLength, SOLVING, STOP_WORDS, type Sentiment } from './words.ts'

/** Of a message only the words it has most often become topics. */
const TERMS_OF_A_MESSAGE = 64

const WORD = /[\p{L}\p{N}]+(?:['’_-][\p{L}\p{N}]+)*/gu
const EMOJI = /\p{Extended_Pictographic}/gu

/**
 * All that is learned from one message and its response: whole numbers that are added up, words, and the traits of the response, to which feedback may
 * come later. The same for the same input, and no text. `timeZone` is an IANA name.
 */
export function messageSignal({ message, response, at }: Pick<NewInteraction, 'message' | 'response'> & { readonly at: Date }, timeZone: string): MessageSignal {
  const words = [...message.matchAll(WORD)].map(([word]) => word.toLowerCase().replaceAll('’', "'"))
  const counts: Record<string, number> = { messages: 1 }
  const add = (name: string, n: number): void => {
    if (n > 0) counts[name] = (counts[name] ?? 0) + n
  }
  const having = (dictionary: ReadonlySet<string>): number => words.reduce((sum, word) => sum + (dictionary.has(word) ? 1 : 0), 0)
  const some = (n: number): number => Math.min(1, n)

  const sentences = message.split(/[.!?…]+(?:\s|$)|\n+/u).filter((part) => part.trim() !== '').length
  const questions = message.match(/\?+/g)?.length ?? 0
  const exclamations = message.match(/!/g)?.length ?? 0
  const emoji = message.match(EMOJI)?.filter((each) => !/[\d#*©®™]/u.test(each)).length ?? 0
  const contractions = words.filter((word) => /'(?:m|s|t|re|ve|ll|d)$/.test(word)).length
  const careless = words.length >= 3 && /^\s*\p{Ll}/u.test(message) && !/[.!?…]["')]?\s*$/u.test(message)

  add('words', words.length)
  add('words_squared', words.length ** 2)
  add('characters', [...message].length)
  add('sentences', sentences)
  add('with_question', some(questions))
  add('exclamations', exclamations)
  add('with_exclamation', some(exclamations))
  add('emoji', emoji)
  add('with_emoji', some(emoji))
  add('with_politeness', some(having(POLITE)))
  add('formal', having(FORMAL))
  add('informal', having(INFORMAL) + contractions + (careless ? 1 : 0) + (message.match(/[!?]{2,}/g)?.length ?? 0) + emoji)
  add('goal.learn', some(having(LEARNING)))
  add('goal.do', some(having(REQUESTING)))
  add('goal.solve', some(having(SOLVING)))
  add('goal.plan', some(having(PLANNING)))
  const local = localTime(at, timeZone)
  add(`hour.${local.hour}`, 1)
  add(`day.${local.weekday}`, 1)

  const traits = response === undefined ? [] : traitsOf(response)
  if (response !== undefined) {
    add('responses', 1)
    add('response_words', [...response.matchAll(WORD)].length)
  }
  return { counts, terms: termsOf(words), traits }
}

/** What a feedback adds to the sums. */
export function feedbackCounts(sentiment: Sentiment | undefined, rating: number | undefined, traits: readonly string[]): Counts {
  return {
    ...(sentiment === undefined ? {} : Object.fromEntries([['feedback', sentiment], ...traits.map((trait) => [`trait.${trait}`, sentiment])].map(([name, as]) => [`${name}.${as}`, 1]))),
    ...(rating === undefined ? {} : { ratings: 1, rating_sum: rating }),
  }
}

export function responseLength(words: number): ResponseLength {
  return words < 40 ? 'short' : words < 150 ? 'medium' : 'long'
}

/** The length of a response as `length.short` and so on, and which traits it has. */
export const ALL_TRAITS: readonly string[] = [...RESPONSE_LENGTHS.map((length) => `length.${length}`), ...RESPONSE_TRAITS]

function traitsOf(response: string): string[] {
  const has = {
    list: /^\s*(?:[-*•]|\d+[.)])\s/mu.test(response),
    code: /```|^ {4}\S/mu.test(response),
    example: /\b(?:for example|for instance|e\.g\.|such as|example:)/iu.test(response),
    question: /\?/u.test(response),
    link: /https?:\/\//iu.test(response),
  }
  return [`length.${responseLength([...response.matchAll(WORD)].length)}`, ...RESPONSE_TRAITS.filter((trait) => has[trait])]
}

/** Words of three letters or more that are neither stop words nor ask, thank or chat, the most frequent first, of equals the first of the alphabet. */
function termsOf(words: readonly string[]): Record<string, number> {
  const uses = new Map<string, number>()
  for (const word of words) {
    const term = word.replace(/'s$/, '')
    if (term.length < 3 || term.length > 64 || STOP_WORDS.has(term) || INFORMAL.has(term) || POLITE.has(term) || LEARNING.has(term) || !/\p{L}/u.test(term)) continue
    uses.set(term, (uses.get(term) ?? 0) + 1)
  }
  return Object.fromEntries([...uses].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).slice(0, TERMS_OF_A_MESSAGE))
}

const formats = new Map<string, Intl.DateTimeFormat>()
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']

/** Hour 0..23 and weekday 0 (Sunday) .. 6 there. */
function localTime(at: Date, timeZone: string): { hour: number; weekday: number } {
  const format = formats.get(timeZone) ?? new Intl.DateTimeFormat('en-US', { timeZone, hour: 'numeric', hourCycle: 'h23', weekday: 'short' })
  if (formats.size > 1000) formats.clear()
  formats.set(timeZone, format)
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]))
  return { hour: Number(parts.get('hour')) % 24, weekday: WEEKDAYS.indexOf(parts.get('weekday') ?? '') }
}
