/** One thing that was looked at. */
export interface Finding {
  readonly check: string
  readonly status: 'ok' | 'warn' | 'fail'
  /** What was found. */
  readonly what: string
  /** Why it matters and how to mend it; null when there is nothing to mend. */
  readonly why: string | null
  readonly mend: string | null
}

export const ok = (check: string, what: string): Finding => ({ check, status: 'ok', what, why: null, mend: null })
export const warn = (check: string, what: string, why: string, mend: string): Finding => ({ check, status: 'warn', what, why, mend })
export const fail = (check: string, what: string, why: string, mend: string): Finding => ({ check, status: 'fail', what, why, mend })
