import { type CuePattern, WordCues } from './word-cues.ts'

/** What a text shows besides its terms; counts, or shares from 0 to 1. */
export interface TextCues {
  /** Share of its sentences that ask. */
  readonly asks: number
  /** The last sentence asks. */
  readonly endsAsking: number
  readonly relativeTimes: number
  readonly dates: number
  readonly durations: number
  readonly numbers: number
  /** Capitalised words inside sentences. */
  readonly names: number
  readonly quotes: number
  readonly reasons: number
  readonly people: number
  readonly firstPerson: number
  readonly secondPerson: number
  /** Begins by greeting, thanking or exclaiming. */
  readonly courtesy: number
  readonly words: number
  /** Past actions: "went", "bought", words that end in -ed. */
  readonly past: number
}

const MONTH = 'january|february|march|april|june|july|august|september|october|november|december'
const NUMBER_WORD = 'one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|few|couple|several|once|twice|half|hundred|thousand'
const RELATIVE_TIME = new RegExp(
  `\\b(?:yesterday|today|tonight|tomorrow|ago|recently|lately|soon|upcoming|weekend|just (?!because|like)|(?:last|next|this|past|coming|previous) `
  + `(?:few |couple |two )?(?:night|week|weekend|month|year|summer|winter|spring|fall|time|morning|evening|monday|tuesday|wednesday|thursday|friday|saturday|sunday|days|weeks|months|years|${MONTH})`
  + `|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\\b`, 'gi')
const DATE = new RegExp(`\\b(?:${MONTH}|may \\d|(?:19|20)\\d\\d|\\d{1,2}(?:st|nd|rd|th))\\b`, 'gi')
const DURATION = new RegExp(`\\b(?:\\d+|a|an|${NUMBER_WORD})[ -](?:year|month|week|day|hour|minute|decade)s?\\b|\\bsince\\b|\\bfor (?:a )?(?:while|years|months|weeks|ages)\\b`, 'gi')
const NUMBER = new RegExp(`\\b(?:\\d[\\d.,]*|${NUMBER_WORD})\\b`, 'gi')
/** Words that a match of the patterns above and below can begin with, where it may have more than one. */
const RELATIVE_TIME_BEGINS = /^(?:yesterday|today|tonight|tomorrow|ago|recently|lately|soon|upcoming|weekend|just|last|next|this|past|coming|previous|(?:mon|tues|wednes|thurs|fri|satur|sun)day)$/
const DATE_BEGINS = new RegExp(`^(?:${MONTH}|may|(?:19|20)\\d\\d|\\d{1,2}(?:st|nd|rd|th))$`)
const DURATION_BEGINS = new RegExp(`^(?:\\d+|an?|${NUMBER_WORD}|since|for)$`)
const NUMBER_BEGINS = new RegExp(`^(?:\\d.*|${NUMBER_WORD})$`)
const REASON_BEGINS = /^(?:because|cause|cuz|reason|since|so|inspired?|motivat\w*|helps?|made|makes?|wanted|in|thanks|that|due|after)$/
const NAME = /(?<=[\p{L}\d,;:"'“(] ?[ "“(])\p{Lu}[\p{L}']+/gu
const QUOTE = /["“][^"”]{2,}["”]/g
const REASON = /\b(?:because|cause|cuz|reason|since|so that|inspired?|motivat\w*|helps?|made me|makes? me|wanted to|in order to|thanks to|that's why|due to|after)\b/gi
const PEOPLE = /\b(?:mom|mother|dad|father|sister|brother|friends?|wife|husband|son|daughter|kids?|children|family|partner|girlfriend|boyfriend|boss|cousin|aunt|uncle|grand\w+|mentor|coach|teacher|neighbor|colleagues?|team|group|people|fans?)\b/gi
const FIRST = /\b(?:i|i'm|i've|i'll|i'd|my|me|mine|we|we're|we've|our|us)\b/gi
const SECOND = /\b(?:you|your|you're|you've|yours|yourself|you'll)\b/gi
const COURTESY = /^(?:hey|hi|hello|wow|thanks?|thank you|awesome|congrats\w*|great|cool|that's|sounds|nice|no worries|absolutely|yeah|yes|yep|sure|bye|take care|glad|sorry|aw+|oh)\b/i
const PAST = /\b(?:\p{L}{2,}ed|went|got|was|were|had|did|made|took|came|saw|found|gave|told|felt|left|met|ran|won|lost|bought|taught|began|started|wrote|read)\b/giu

const WORDS = /[\p{L}\p{N}]+/gu
const ASCII_WORDS = /[A-Za-z0-9]+/g
// oxlint-disable-next-line no-control-regex
const ASCII = /^[\0-\x7f]*$/

/** Those that are counted word by word. */
export const CUE_PATTERNS: readonly CuePattern[] = [
  { pattern: RELATIVE_TIME, begins: RELATIVE_TIME_BEGINS },
  { pattern: DATE, begins: DATE_BEGINS },
  { pattern: DURATION, begins: DURATION_BEGINS },
  { pattern: NUMBER, begins: NUMBER_BEGINS },
  { pattern: REASON, begins: REASON_BEGINS },
  { pattern: PEOPLE },
  { pattern: FIRST },
  { pattern: SECOND },
  { pattern: PAST },
]
const wordCues = new WordCues(CUE_PATTERNS)

/** What `text` shows. Texts of other languages show few cues. */
export function cuesOf(text: string): TextCues {
  const whole = text.slice(0, 4096).replaceAll('’', '\'')
  const ascii = ASCII.test(whole)
  const sentences = whole.split(/(?<=[.!?])\s+/).filter((sentence) => sentence !== '')
  const count = (pattern: RegExp): number => whole.match(pattern)?.length ?? 0
  const [relativeTimes = 0, dates = 0, durations = 0, numbers = 0, reasons = 0, people = 0, firstPerson = 0, secondPerson = 0, past = 0] = wordCues.count(whole)
  return {
    asks: sentences.filter((sentence) => sentence.endsWith('?')).length / Math.max(sentences.length, 1),
    endsAsking: sentences.at(-1)?.endsWith('?') ? 1 : 0,
    relativeTimes,
    dates,
    durations,
    numbers,
    names: count(NAME),
    quotes: count(QUOTE),
    reasons,
    people,
    firstPerson,
    secondPerson,
    courtesy: COURTESY.test(whole) ? 1 : 0,
    words: ascii ? count(ASCII_WORDS) : count(WORDS),
    // Of letters beyond ASCII as well, and they change what the end of a word is.
    past: ascii ? past : count(PAST),
  }
}
