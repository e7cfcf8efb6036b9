import { baseForm, formsOf } from './irregular-forms.ts'
import { porter2 } from './porter2.ts'
import { STOP_WORDS } from './stop-words.ts'

/** A term of a question, and what to look for in an index that stems with PostgreSQL's `english`. */
export interface QuestionTerm {
  readonly term: string
  /** Lexemes of `to_tsvector('english', …)` of which any one stands for the term, e.g. `go` → `go`, `went`, `gone`, `gonna`. */
  readonly lexemes: readonly string[]
}

/** Longest word that is looked at, in UTF-16 units; the rest of a longer one is passed over. */
const MAX_WORD = 64
/** Texts longer than this are ranked by their beginning, in UTF-16 units. */
const MAX_TEXT = 65_536

const APOSTROPHE = /['’]/
const WORD = /[\p{L}\p{N}]+(?:['’][\p{L}]+)*/gu
/** The same in texts of ASCII, which most are, in half of the time. */
const ASCII_WORD = /[a-z0-9]+(?:'[a-z]+)*/g
// oxlint-disable-next-line no-control-regex
const ASCII = /^[\0-\x7f]*$/

/** Words of a text in lower case, in their order: letters and digits, without a possessive or contracted ending. */
export function wordsOf(text: string): string[] {
  const beginning = text.slice(0, MAX_TEXT)
  const words = (ASCII.test(beginning) ? beginning.toLowerCase().match(ASCII_WORD) : beginning.normalize('NFKC').toLowerCase().match(WORD)) ?? []
  return words.map((word) => (APOSTROPHE.test(word) ? word.replace(/['’](s|ll|re|ve|m|d|t)$/, '').replace(/['’]/g, '') : word).slice(0, MAX_WORD))
}

const stems = new Map<string, string>()
const STEMS_KEPT = 20_000

/** The term that a word counts as: base form, then stem; words with other letters than a to z as they are. */
export function termOf(word: string): string {
  const known = stems.get(word)
  if (known !== undefined) return known
  const term = /^[a-z]+$/.test(word) ? porter2(baseForm(word)) : word
  if (stems.size >= STEMS_KEPT) stems.clear()
  stems.set(word, term)
  return term
}

/** Terms of a text in their order, stop words left out. */
export function termsOf(text: string): string[] {
  const terms: string[] = []
  for (const word of wordsOf(text)) {
    const term = searched.get(word) ?? searchedTerm(word)
    if (term !== STOPPED) terms.push(term)
  }
  return terms
}

/** By word: its term, or that it is a stop word. */
const searched = new Map<string, string>()
const STOPPED = ''

function searchedTerm(word: string): string {
  const term = isStopWord(word) ? STOPPED : termOf(word)
  if (searched.size >= STEMS_KEPT) searched.clear()
  searched.set(word, term)
  return term
}

function isStopWord(word: string): boolean {
  return STOP_WORDS.has(word) || STOP_WORDS.has(baseForm(word))
}

/** Different terms of a question in their order, with what to search an index for. Empty when it holds stop words only. */
export function questionTerms(question: string): QuestionTerm[] {
  const words = wordsOf(question).filter((word) => !isStopWord(word))
  const byTerm = new Map<string, Set<string>>()
  for (const word of words) {
    const lexemes = byTerm.get(termOf(word)) ?? new Set()
    byTerm.set(termOf(word), lexemes)
    for (const form of [word, ...formsOf(baseForm(word))]) lexemes.add(/^[a-z]+$/.test(form) ? porter2(form) : form)
  }
  return [...byTerm].map(([term, lexemes]) => ({ term, lexemes: [...lexemes] }))
}
