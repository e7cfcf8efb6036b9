import { CairnError } from '../../errors/index.ts'

export type CountTokens = (text: string) => number

/** Above this, the text is counted in parts: the encoder's time is not linear in the length of a text without spaces. */
const PART = 4096

let loaded: Promise<CountTokens> | undefined

/** The caller's count, checked; or that of o200k_base, whose tables are loaded when they are first needed. */
export async function tokenCounter(given: CountTokens | undefined): Promise<CountTokens> {
  if (given === undefined) return (loaded ??= load())
  return (text) => {
    const count = given(text)
    if (Number.isSafeInteger(count) && count >= 0 && count < 2 ** 31) return count
    throw new CairnError('INVALID_ARGUMENT', `countTokens: it gave ${String(count)} for a text of ${text.length} characters; a whole number from 0 on is wanted.`, { details: { field: 'countTokens' } })
  }
}

async function load(): Promise<CountTokens> {
  const { countTokens } = await import('gpt-tokenizer')
  // What looks like a special token is text here.
  const options = { disallowedSpecial: new Set<string>() }
  return (text) => {
    let count = 0
    for (let at = 0; at < text.length; at += PART) count += countTokens(text.slice(at, at + PART), options)
    return count
  }
}
