import { setImmediate as nextTurn } from 'node:timers/promises'
import type * as Tokenizer from 'gpt-tokenizer/encoding/o200k_base'

/** The encoding by which tokens are counted when the caller gives no count: that of GPT-4o and later. */
export const TOKEN_ENCODING = 'o200k_base'

/** A run without a blank costs the square of its length, so that texts are counted in slices. */
const SLICE = 2048
/** Counting lets others have their turn after so long. */
const TURN_MS = 10

const PLAIN = { disallowedSpecial: new Set<string>() }

let loading: Promise<typeof Tokenizer> | undefined
let turnBegan = 0

/**
 * Counts tokens in o200k_base. Exact up to 2,048 characters; a longer text is cut in front of blanks, where tokens begin, and only a
 * longer run without a blank may count a token or two more for each cut. What looks like a special token is text. The first call loads
 * the vocabulary, which takes about 0.1 s and 30 MB.
 */
export async function loadTokenCounter(): Promise<(text: string) => number> {
  const tokenizer = await (loading ??= import('gpt-tokenizer/encoding/o200k_base'))
  return (text) => {
    let tokens = 0
    for (const slice of slices(text)) tokens += tokenizer.countTokens(slice, PLAIN)
    return tokens
  }
}

/** As `loadTokenCounter`, of one text, letting others have their turn while it counts. */
export async function countTokens(text: string): Promise<number> {
  const count = await loadTokenCounter()
  let tokens = 0
  for (const slice of slices(text)) {
    if (performance.now() - turnBegan > TURN_MS) {
      await nextTurn()
      turnBegan = performance.now()
    }
    tokens += count(slice)
  }
  return tokens
}

function* slices(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    const end = sliceEnd(text, start)
    yield text.slice(start, end)
    start = end
  }
}

function sliceEnd(text: string, start: number): number {
  const limit = start + SLICE
  if (limit >= text.length) return text.length
  const blank = text.lastIndexOf(' ', limit)
  if (blank > start + SLICE / 2) return blank
  // Never between the two halves of a character.
  return (text.charCodeAt(limit - 1) & 0xfc00) === 0xd800 ? limit - 1 : limit
}
