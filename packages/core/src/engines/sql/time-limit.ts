import { CairnError } from '../../errors/index.ts'

/** What a timer and `statement_timeout` can hold: 24 days. */
const LONGEST_MS = 2 ** 31 - 1

/** The limit in whole milliseconds from 1 on; one that is longer than a timer can be, or Infinity, is the longest there is. INVALID_ARGUMENT for NaN. */
export function timeLimit(timeoutMs: number): number {
  if (Number.isNaN(timeoutMs) || typeof timeoutMs !== 'number') {
    throw new CairnError('INVALID_ARGUMENT', `timeoutMs: ${String(timeoutMs)} is not a number of milliseconds. Give 1 or more, or nothing.`, { details: { field: 'timeoutMs' } })
  }
  return Math.min(LONGEST_MS, Math.max(1, Math.ceil(timeoutMs)))
}
