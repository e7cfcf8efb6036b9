import { CairnError } from '../../errors/index.ts'

/** INVALID_ARGUMENT unless it is a whole number from `least` to `most`. */
export function whole(field: string, value: number, least: number, most: number): number {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw new CairnError('INVALID_ARGUMENT', `${field}: ${String(value)} is not a whole number from ${least} to ${most}.`, { details: { field } })
  }
  return value
}

/** INVALID_ARGUMENT unless it is a number above 0 and up to a million. */
export function positive(field: string, value: number): number {
  if (typeof value !== 'number' || !(value > 0 && value <= 1_000_000)) {
    throw new CairnError('INVALID_ARGUMENT', `${field}: ${String(value)} is not a number above 0 and up to 1000000.`, { details: { field } })
  }
  return value
}
