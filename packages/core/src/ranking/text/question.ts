import { questionTerms, termOf, wordsOf } from './analyse.ts'

/** What a question asks, as far as its form tells. */
export interface Question {
  /** Its terms without the names of speakers. */
  readonly terms: readonly string[]
  /** Pairs of terms that follow each other in it. */
  readonly pairs: readonly (readonly [string, string])[]
  /** Speakers it names. */
  readonly named: ReadonlySet<string>
  readonly kind: QuestionKind
  /** Months that it names, 0 to 11. */
  readonly months: ReadonlySet<number>
}

export interface QuestionKind {
  readonly when: boolean
  readonly duration: boolean
  readonly amount: boolean
  readonly where: boolean
  readonly who: boolean
  readonly why: boolean
  /** Asks for several things, or for what holds in general. */
  readonly list: boolean
  /** Asks what would be. */
  readonly inference: boolean
  /** Asks how something was, or felt. */
  readonly how: boolean
}

const MONTHS = ['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august', 'september', 'october', 'november', 'december']

/** `speakers` are names as candidates carry them; a name counts as named by any of its words of three letters or more. */
export function analyseQuestion(text: string, speakers: readonly string[]): Question {
  const words = wordsOf(text)
  const asked = new Set(words)
  const named = new Set(speakers.filter((speaker) => nameWords(speaker).some((word) => asked.has(word))))
  const nameTerms = new Set(speakers.flatMap(nameWords).map(termOf))
  const terms = questionTerms(text).map(({ term }) => term).filter((term) => !nameTerms.has(term))
  return {
    terms,
    pairs: terms.slice(1).map((term, index): [string, string] => [terms[index] ?? '', term]),
    named,
    kind: kindOf(text.toLowerCase()),
    months: monthsOf(text),
  }
}

/** "may" and "march" are months only when they are written with a capital. */
function monthsOf(text: string): Set<number> {
  const names = new Set((text.slice(0, 4096).match(/\p{L}+/gu) ?? []).map((word) => (word === 'may' || word === 'march' ? '' : word.toLowerCase())))
  return new Set(MONTHS.flatMap((month, index) => (names.has(month) ? [index] : [])))
}

function nameWords(speaker: string): string[] {
  return wordsOf(speaker).filter((word) => word.length > 2)
}

function kindOf(text: string): QuestionKind {
  const has = (pattern: RegExp): boolean => pattern.test(text)
  return {
    when: has(/\bwhen\b|\b(?:what|which) (?:date|day|month|year|time|week|season)\b/),
    duration: has(/\bhow long\b|\bhow (?:many|much) (?:years|months|weeks|days|hours|time)\b/),
    amount: has(/\bhow (?:many|much|often|old|far|big|tall)\b|\bnumber of\b/),
    where: has(/\bwhere\b|\b(?:what|which) (?:\w+ )?(?:city|cities|country|countries|state|states|place|places|town|area|location|locations)\b/),
    who: has(/\bwho|\bwhose\b/),
    why: has(/\bwhy\b|\breason|\bmotivat|\binspir/),
    list: has(/\b(?:what|which) (?:\w+ ){0,2}(?:\w+[^s\W]s|activities|kinds|types)\b|\bwhat are\b|\bboth\b|\bin common\b/),
    inference: has(/\b(?:would|could|might|likely|probably|considered|potential)\b/),
    how: has(/\bhow (?:did|does|do|was|has|is)\b|\bfeel|\bthink|\bdescribe/),
  }
}
