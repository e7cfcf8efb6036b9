/** A cue that is counted in a text: how often its pattern matches, one match after the other. */
export interface CuePattern {
  /** Global, ignoring the case of ASCII letters; every match begins where a word (\w+) begins. */
  readonly pattern: RegExp
  /** Words that a match can begin with. Left out: every match is one word, of ASCII, and the pattern says of each word alone whether it is one. */
  readonly begins?: RegExp
}

/** Words of which is kept what the patterns say of them; a text has most of its words in common with others. */
const KEPT = 20_000
/** Letters whose lower case is of ASCII, which the patterns do not take for it. */
const UNUSUAL = /[\u212a\u0130]/

/** Counts the matches of many patterns in one pass over the words of a text: each pattern is tried only where it can match. */
export class WordCues {
  readonly #patterns: readonly RegExp[]
  readonly #sticky: readonly (RegExp | undefined)[]
  readonly #first: readonly RegExp[]
  readonly #known = new Map<string, number>()

  /** At most 30 patterns. */
  constructor(patterns: readonly CuePattern[]) {
    this.#patterns = patterns.map(({ pattern }) => pattern)
    this.#sticky = patterns.map(({ pattern, begins }) => (begins === undefined ? undefined : new RegExp(pattern.source, pattern.flags.replace('g', 'y'))))
    this.#first = patterns.map(({ pattern, begins }) => begins ?? new RegExp(`^(?:${pattern.source})$`, pattern.flags.replace('g', '')))
  }

  /** A count for each pattern, in their order. */
  count(text: string): number[] {
    const lowered = text.toLowerCase()
    if (lowered.length !== text.length || UNUSUAL.test(text)) return this.#patterns.map((pattern) => text.match(pattern)?.length ?? 0)
    const counts = this.#patterns.map(() => 0)
    /** Where the last match of each pattern ended: the next one begins there or later. */
    const ended = this.#patterns.map(() => 0)
    for (let start = 0; start < lowered.length; start += 1) {
      if (!isWord(lowered.charCodeAt(start))) continue
      let end = start + 1
      while (end < lowered.length && isWord(lowered.charCodeAt(end))) end += 1
      const word = lowered.slice(start, end)
      for (let bits = this.#known.get(word) ?? this.#look(word); bits !== 0; bits &= bits - 1) {
        const index = 31 - Math.clz32(bits & -bits)
        const sticky = this.#sticky[index]
        if (sticky !== undefined) {
          if (start < (ended[index] as number)) continue
          sticky.lastIndex = start
          if (!sticky.test(text)) continue
          ended[index] = sticky.lastIndex
        }
        counts[index] = (counts[index] as number) + 1
      }
      start = end
    }
    return counts
  }

  /** A bit for each pattern that matches the word, or may match from it on. */
  #look(word: string): number {
    const bits = this.#first.reduce((sum, first, index) => (first.test(word) ? sum | (1 << index) : sum), 0)
    if (this.#known.size >= KEPT) this.#known.clear()
    this.#known.set(word, bits)
    return bits
  }
}

/** As \w, of a text in lower case. */
function isWord(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || code === 95
}
