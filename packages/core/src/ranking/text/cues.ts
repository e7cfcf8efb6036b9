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
const NAME = /(?<=[\p{L}\d,;:"'“(] ?[ "“(])\p{Lu}[\p{L}']+/gu
const QUOTE = /["“][^"”]{2,}["”]/g
const REASON = /\b(?:because|cause|cuz|reason|since|so that|inspired?|motivat\w*|helps?|made me|makes? me|wanted to|in order to|thanks to|that's why|due to|after)\b/gi
const PEOPLE = /\b(?:mom|mother|dad|father|sister|brother|friends?|wife|husband|son|daughter|kids?|children|family|partner|girlfriend|boyfriend|boss|cousin|aunt|uncle|grand\w+|mentor|coach|teacher|neighbor|colleagues?|team|group|people|fans?)\b/gi
const FIRST = /\b(?:i|i'm|i've|i'll|i'd|my|me|mine|we|we're|we've|our|us)\b/gi
const SECOND = /\b(?:you|your|you're|you've|yours|yourself|you'll)\b/gi
const COURTESY = /^(?:hey|hi|hello|wow|thanks?|thank you|awesome|congrats\w*|great|cool|that's|sounds|nice|no worries|absolutely|yeah|yes|yep|sure|bye|take care|glad|sorry|aw+|oh)\b/i
const PAST = /\b(?:\p{L}{2,}ed|went|got|was|were|had|did|made|took|came|saw|found|gave|told|felt|left|met|ran|won|lost|bought|taught|began|started|wrote|read)\b/giu

/** What `text` shows, in one pass over it for each cue. Texts of other languages show few of them. */
export function cuesOf(text: string): TextCues {
  const whole = text.slice(0, 4096).replaceAll('’', '\'')
  const sentences = whole.split(/(?<=[.!?])\s+/).filter((sentence) => sentence !== '')
  const count = (pattern: RegExp): number => whole.match(pattern)?.length ?? 0
  return {
    asks: sentences.filter((sentence) => sentence.endsWith('?')).length / Math.max(sentences.length, 1),
    endsAsking: sentences.at(-1)?.endsWith('?') ? 1 : 0,
    relativeTimes: count(RELATIVE_TIME),
    dates: count(DATE),
    durations: count(DURATION),
    numbers: count(NUMBER),
    names: count(NAME),
    quotes: count(QUOTE),
    reasons: count(REASON),
    people: count(PEOPLE),
    firstPerson: count(FIRST),
    secondPerson: count(SECOND),
    courtesy: COURTESY.test(whole) ? 1 : 0,
    words: count(/[\p{L}\p{N}]+/gu),
    past: count(PAST),
  }
}
