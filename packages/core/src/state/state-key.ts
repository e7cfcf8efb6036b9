import { CairnError } from '../errors/index.ts'

/** Longest state key, in characters (Unicode code points), as in the column agents.state.state_key. */
export const MAX_KEY_LENGTH = 255

/** INVALID_ARGUMENT unless `key` is 1 to 255 characters of well-formed text without U+0000. */
export function checkStateKey(key: unknown): asserts key is string {
  if (typeof key !== 'string') refuse('it must be a string', String(key))
  if (key.length === 0) refuse('it is empty', key)
  if (key.length > MAX_KEY_LENGTH && (key.length > MAX_KEY_LENGTH * 2 || [...key].length > MAX_KEY_LENGTH)) {
    refuse(`it has ${[...key].length} characters and may have ${MAX_KEY_LENGTH}`, key)
  }
  if (key.includes('\u0000')) refuse('it contains U+0000', key)
  if (!key.isWellFormed()) refuse('it contains a lone surrogate', key)
}

function refuse(why: string, key: string): never {
  const shown = key.length > 60 ? `${key.slice(0, 60)}…` : key
  throw new CairnError('INVALID_ARGUMENT', `key: ${JSON.stringify(shown)} is not a state key: ${why}.`, { details: { field: 'key' } })
}
