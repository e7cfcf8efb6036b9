const VOWEL = /[aeiouy]/
const DOUBLE = /(bb|dd|ff|gg|mm|nn|pp|rr|tt)$/

const EXCEPTIONS: ReadonlyMap<string, string> = new Map(Object.entries({
  skis: 'ski', skies: 'sky', dying: 'die', lying: 'lie', tying: 'tie', idly: 'idl', gently: 'gentl', ugly: 'ugli', early: 'earli',
  only: 'onli', singly: 'singl', sky: 'sky', news: 'news', howe: 'howe', atlas: 'atlas', cosmos: 'cosmos', bias: 'bias', andes: 'andes',
}))
const KEPT_AFTER_1A = new Set(['inning', 'outing', 'canning', 'herring', 'earring', 'proceed', 'exceed', 'succeed'])

/** Suffix, what takes its place, and the letters that must stand before it. Longest first. */
type Rule = readonly [suffix: string, replacement: string, before?: string]

const STEP_2: readonly Rule[] = [
  ['ational', 'ate'], ['fulness', 'ful'], ['iveness', 'ive'], ['ization', 'ize'], ['ousness', 'ous'],
  ['biliti', 'ble'], ['lessli', 'less'], ['tional', 'tion'],
  ['alism', 'al'], ['aliti', 'al'], ['ation', 'ate'], ['entli', 'ent'], ['fulli', 'ful'], ['iviti', 'ive'], ['ousli', 'ous'],
  ['abli', 'able'], ['alli', 'al'], ['anci', 'ance'], ['ator', 'ate'], ['enci', 'ence'], ['izer', 'ize'],
  ['bli', 'ble'], ['ogi', 'og', 'l'], ['li', '', 'cdeghkmnrt'],
]
const STEP_3: readonly Rule[] = [
  ['ational', 'ate'], ['tional', 'tion'], ['alize', 'al'], ['icate', 'ic'], ['iciti', 'ic'], ['ical', 'ic'], ['ness', ''], ['ful', ''],
]
const STEP_4: readonly Rule[] = [
  ['ement', ''], ['able', ''], ['ance', ''], ['ence', ''], ['ible', ''], ['ment', ''],
  ['ant', ''], ['ate', ''], ['ent', ''], ['ion', '', 'st'], ['ism', ''], ['iti', ''], ['ive', ''], ['ize', ''], ['ous', ''],
  ['al', ''], ['er', ''], ['ic', ''],
]

/**
 * Stem of an English word in lower case, by the Porter2 algorithm (Snowball "english"): what PostgreSQL's `english`
 * dictionary makes of it.
 */
export function porter2(input: string): string {
  const exception = EXCEPTIONS.get(input)
  if (exception !== undefined) return exception
  if (input.length <= 2) return input
  // A y that is a consonant is written Y until the end.
  let word = input.replace(/^'/, '').replace(/^y/, 'Y').replace(/([aeiouy])y/g, '$1Y')
  const r1 = /^(?:gener|commun|arsen)/.exec(word)?.[0].length ?? regionAfter(word, 0)
  const r2 = regionAfter(word, r1)
  word = step1a(word.replace(/'s?'?$/, ''))
  if (KEPT_AFTER_1A.has(word)) return word
  word = step1b(word, r1)
  word = word.replace(/(.[^aeiouy])[yY]$/, '$1i')
  word = replaceSuffix(word, STEP_2, r1)
  word = word.endsWith('ative') ? (word.length - 5 >= r2 ? word.slice(0, -5) : word) : replaceSuffix(word, STEP_3, r1)
  word = replaceSuffix(word, STEP_4, r2)
  return step5(word, r1, r2).toLowerCase()
}

function regionAfter(word: string, start: number): number {
  const found = /[aeiouy][^aeiouy]/.exec(word.slice(start))
  return found === null ? word.length : start + found.index + 2
}

function endsInShortSyllable(word: string): boolean {
  return /(^|.*[^aeiouy])[aeiouy][^aeiouywxY]$/.test(word) || /^[aeiouy][^aeiouy]$/.test(word)
}

function step1a(word: string): string {
  if (word.endsWith('sses')) return word.slice(0, -2)
  if (/ie[ds]$/.test(word)) return word.slice(0, word.length > 4 ? -2 : -1)
  if (/(us|ss)$/.test(word) || !word.endsWith('s')) return word
  return VOWEL.test(word.slice(0, -2)) ? word.slice(0, -1) : word
}

function step1b(word: string, r1: number): string {
  const eed = /eed(ly)?$/.exec(word)
  if (eed !== null) return eed.index >= r1 ? `${word.slice(0, eed.index)}ee` : word
  const ending = /(ingly|edly|ing|ed)$/.exec(word)
  if (ending === null) return word
  const stem = word.slice(0, ending.index)
  if (!VOWEL.test(stem)) return word
  if (/(at|bl|iz)$/.test(stem)) return `${stem}e`
  if (DOUBLE.test(stem)) return stem.slice(0, -1)
  return stem.length <= r1 && endsInShortSyllable(stem) ? `${stem}e` : stem
}

function replaceSuffix(word: string, rules: readonly Rule[], region: number): string {
  const rule = rules.find(([suffix]) => word.endsWith(suffix))
  if (rule === undefined) return word
  const [suffix, replacement, before] = rule
  const stem = word.slice(0, -suffix.length)
  if (stem.length < region || (before !== undefined && !before.includes(stem.at(-1) ?? ' '))) return word
  return stem + replacement
}

function step5(word: string, r1: number, r2: number): string {
  if (word.endsWith('e')) {
    const stem = word.slice(0, -1)
    return stem.length >= r2 || (stem.length >= r1 && !endsInShortSyllable(stem)) ? stem : word
  }
  return word.endsWith('ll') && word.length - 1 >= r2 ? word.slice(0, -1) : word
}
