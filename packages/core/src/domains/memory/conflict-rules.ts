import type { MemoryConflictKind } from './types.ts'

const STOP = new Set('a an the is are was were be been being am to of in on at for and or that this these those it its has have had do does did will would with by from as now just really very also'.split(' '))
const NEGATORS = new Set('not no never none neither nor nobody nothing cannot without'.split(' '))
const NUMBER_WORDS = new Set(
  'january february march april may june july august september october november december monday tuesday wednesday thursday friday saturday sunday one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred thousand million today tomorrow yesterday'.split(' '),
)
/** Who lives in one place does not live in another: of such verbs the last value counts. */
const SINGLE_VALUED_VERBS = new Set('live reside work born call name marry married based located'.split(' '))
/** The same for "X's email is …". */
const SINGLE_VALUED_NOUNS = new Set('name age birthday email phone number address job title employer boss husband wife deadline favourite favorite colour color password status timezone language city country home'.split(' '))
const COPULA = new Set(['is', 'are', 'was', 'were'])

/** From this share of common words on, two texts say the same. */
const SAME_FROM = 0.8
/** From this share on, they speak of the same thing. */
const ALIKE_FROM = 0.6

export interface TextConflict {
  readonly kind: MemoryConflictKind
  readonly rule: 'same_words' | 'negation' | 'changed_number' | 'changed_value'
  readonly similarity: number
}

export interface ReadText {
  /** Words in order, with copulas and other small words. */
  readonly words: readonly string[]
  /** Content words but values. */
  readonly terms: ReadonlySet<string>
  /** Numbers, dates, weekdays, months. */
  readonly values: ReadonlySet<string>
  readonly negated: boolean
}

/** The text as the rules see it. English; other languages are compared by words and numbers alone. */
export function readText(text: string): ReadText {
  const words = text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll('’', "'")
    .replaceAll(/n't\b/g, ' not')
    .replaceAll(/'s\b/g, '')
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '')
    .map(stem)
  const isValue = (word: string): boolean => /^\p{N}/u.test(word) || NUMBER_WORDS.has(word)
  return {
    words,
    terms: new Set(words.filter((word) => !STOP.has(word) && !NEGATORS.has(word) && !isValue(word))),
    values: new Set(words.filter(isValue)),
    negated: words.filter((word) => NEGATORS.has(word)).length % 2 === 1,
  }
}

/** What stands between two texts, if anything; the same whichever comes first. */
export function textConflict(a: ReadText, b: ReadText): TextConflict | undefined {
  const similarity = round(shared(a.terms, b.terms))
  const enough = Math.min(a.terms.size, b.terms.size) >= 2
  const sameValues = shared(a.values, b.values) === 1
  if (enough && a.negated !== b.negated && similarity >= ALIKE_FROM && sameValues) return { kind: 'contradiction', rule: 'negation', similarity }
  if (a.negated !== b.negated) return undefined
  if (enough && !sameValues && a.values.size > 0 && b.values.size > 0 && similarity >= ALIKE_FROM) return { kind: 'contradiction', rule: 'changed_number', similarity }
  if (!a.negated && changedValue(a, b)) return { kind: 'contradiction', rule: 'changed_value', similarity }
  if (sameValues && a.terms.size > 0 && similarity >= SAME_FROM) return { kind: 'near_duplicate', rule: 'same_words', similarity }
  return undefined
}

function changedValue(a: ReadText, b: ReadText): boolean {
  return differAfter(a, b, (words) => words.findIndex((word, index) => index > 0 && SINGLE_VALUED_VERBS.has(word) && !COPULA.has(words[index + 1] ?? '')), true) || differAfter(a, b, copulaOfAttribute, false)
}

function copulaOfAttribute(words: readonly string[]): number {
  const at = words.findIndex((word) => COPULA.has(word))
  return at > 0 && words.slice(0, at).some((word) => SINGLE_VALUED_NOUNS.has(word)) ? at : -1
}

/** Whether both have the same words up to a place, and little in common after it. */
function differAfter(a: ReadText, b: ReadText, place: (words: readonly string[]) => number, sameWordThere: boolean): boolean {
  const [at, bt] = [place(a.words), place(b.words)]
  if (at < 1 || bt < 1 || (sameWordThere && a.words[at] !== b.words[bt])) return false
  const content = (words: readonly string[]): Set<string> => new Set(words.filter((word) => !STOP.has(word)))
  const [before, after] = [[content(a.words.slice(0, at)), content(b.words.slice(0, bt))], [content(a.words.slice(at + 1)), content(b.words.slice(bt + 1))]] as const
  return before[0].size > 0 && shared(before[0], before[1]) === 1 && after[0].size > 0 && after[1].size > 0 && shared(after[0], after[1]) < 0.5
}

/** Jaccard's share of common members; 1 for two empty sets. */
export function shared(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  if (a.size === 0 && b.size === 0) return 1
  const common = [...a].filter((word) => b.has(word)).length
  return common / (a.size + b.size - common)
}

function stem(word: string): string {
  return word.length > 3 && word.endsWith('s') && !/(ss|us|is)$/.test(word) ? word.slice(0, -1) : word
}

function round(value: number): number {
  return Number(value.toFixed(4))
}
