import { isCairnError } from '../errors/index.ts'

/** How a failed transaction failed, and so what may follow (S4 §5.3). */
export type FailureClass = 'serialization' | 'deadlock' | 'constraint' | 'connection' | 'unknown'

export interface FailureRule {
  /** The same work may succeed when it is run again, whole. */
  readonly retry: boolean
  /** What the connection is good for afterwards. */
  readonly connection: 'reuse' | 'replace'
  readonly meaning: string
}

export const FAILURE_RULES: Readonly<Record<FailureClass, FailureRule>> = Object.freeze({
  serialization: { retry: true, connection: 'reuse', meaning: 'Another transaction was first; run again after a wait that grows.' },
  deadlock: { retry: true, connection: 'reuse', meaning: 'Two transactions waited for each other; run again after a random wait, so that they do not meet again.' },
  constraint: { retry: false, connection: 'reuse', meaning: 'The data breaks a rule; it would break it again.' },
  connection: { retry: true, connection: 'replace', meaning: 'The connection was lost before COMMIT was sent: nothing was stored; run again on another.' },
  unknown: { retry: false, connection: 'reuse', meaning: 'Nothing is known that would make a second run succeed.' },
})

/**
 * The class of an error: a CairnError, or what a driver threw with its SQLSTATE in `code`. A connection that was lost
 * while committing (OUTCOME_UNKNOWN) is `unknown`, since a second run could apply the work twice.
 */
export function failureClass(error: unknown): FailureClass {
  if (isCairnError(error)) {
    switch (error.code) {
      case 'SERIALIZATION_FAILURE':
        return 'serialization'
      case 'DEADLOCK':
        return 'deadlock'
      case 'DUPLICATE_KEY':
      case 'CONSTRAINT_VIOLATION':
      case 'VALIDATION_FAILED':
        return 'constraint'
      case 'CONNECTION_FAILED':
        return 'connection'
    }
    return 'unknown'
  }
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? classOfState(code) : 'unknown'
}

function classOfState(state: string): FailureClass {
  if (state === '40001') return 'serialization'
  if (state === '40P01') return 'deadlock'
  if (state.startsWith('23') || state.startsWith('44')) return 'constraint'
  if (state.startsWith('08') || /^57P0[1-5]$/.test(state) || state === '53300') return 'connection'
  return 'unknown'
}

/** True for what may be run again as a whole: serialization, deadlock, and a connection lost before COMMIT. */
export function mayRunAgain(error: unknown): boolean {
  return FAILURE_RULES[failureClass(error)].retry
}
