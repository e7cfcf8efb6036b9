import { CairnError } from '../../errors/index.ts'
import { loadTokenCounter } from '../../tokens/index.ts'

export type CountTokens = (text: string) => number

/** The caller's count, checked; or that of o200k_base, whose tables are loaded when they are first needed. */
export async function tokenCounter(given: CountTokens | undefined): Promise<CountTokens> {
  if (given === undefined) return loadTokenCounter()
  return (text) => {
    const count = given(text)
    if (Number.isSafeInteger(count) && count >= 0 && count < 2 ** 31) return count
    throw new CairnError('INVALID_ARGUMENT', `countTokens: it gave ${String(count)} for a text of ${text.length} characters; a whole number from 0 on is wanted.`, { details: { field: 'countTokens' } })
  }
}
