import { ERROR_CODES, isCairnError } from '@cairn/core'
import { type Finding, fail } from './finding.ts'

const WHY: Readonly<Record<string, string>> = {
  CONNECTION_FAILED: 'Without it Cairn does not start.',
  AUTHENTICATION_FAILED: 'The server runs but does not let this user in.',
  PERMISSION_DENIED: 'The server lets this user in but refuses what Cairn needs.',
  DATA_DIR_CORRUPT: 'The embedded engines cannot read their files.',
}

/** What an engine threw, as a finding. */
export function failure(check: string, error: unknown): Finding {
  const known = isCairnError(error) ? error : undefined
  const code = known?.code ?? 'UNKNOWN'
  const message = error instanceof Error ? error.message : String(error)
  return fail(check, `[${code}] ${message}`, WHY[code] ?? ERROR_CODES[code].summary, ERROR_CODES[code].remedy)
}
