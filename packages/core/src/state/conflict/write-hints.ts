import { CairnError } from '../../errors/index.ts'
import { record } from './crdt/index.ts'
import { MAX_SKEW_MS } from './hlc.ts'
import type { ConflictPolicy } from './policy-types.ts'
import type { VectorClock } from './vector-clock.ts'

/** When the caller says the value was made. INVALID_ARGUMENT for a time too far ahead, or under another strategy than lww. */
export function checkAt(at: number | undefined, policy: ConflictPolicy): number | undefined {
  if (at === undefined) return undefined
  if (policy.strategy !== 'lww') bad('at', `the key's strategy is ${policy.strategy}, and only lww goes by time`)
  if (!Number.isSafeInteger(at) || at < 0) bad('at', 'it must be whole milliseconds since 1970')
  if (at > Date.now() + MAX_SKEW_MS) bad('at', `it is more than ${MAX_SKEW_MS / 1000} s ahead of the clock of this machine`)
  return at
}

/** The vector clock in the `context` of an entry. INVALID_ARGUMENT for other text, or under another strategy than vector. */
export function decodeContext(context: string | undefined, policy: ConflictPolicy): VectorClock | undefined {
  if (context === undefined) return undefined
  if (policy.strategy !== 'vector') bad('context', `the key's strategy is ${policy.strategy}, and only vector has contexts`)
  try {
    const vector = JSON.parse(Buffer.from(context, 'base64url').toString()) as Record<string, number>
    if (typeof vector === 'object' && vector !== null && !Array.isArray(vector) && Object.values(vector).every((event) => Number.isSafeInteger(event) && event >= 0)) return record(vector)
  } catch {
    // Falls through: not a context.
  }
  bad('context', 'it is not the context of an entry')
}

function bad(field: string, why: string): never {
  throw new CairnError('INVALID_ARGUMENT', `${field}: this cannot be used: ${why}.`, { details: { field } })
}
