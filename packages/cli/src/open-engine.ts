import { type SqlEngine, openSql, resolveOptions } from '@cairn/core/internal'
import { type EngineFlags, optionsFromFlags } from './engine-flags.ts'

/**
 * Opens the SQL engine alone, chosen as everywhere: flags, else the environment (DATABASE_URL, PG_*, CAIRN_DATA_DIR), else
 * cairn.config.json, else PGlite in `.cairn/pg`. No statement is cut off by a time limit.
 *
 * Errors: INVALID_OPTION, CONNECTION_FAILED, AUTHENTICATION_FAILED, DATA_DIR_LOCKED, DATA_DIR_CORRUPT.
 */
export function openEngineFromFlags(flags: EngineFlags, onProgress: (what: string) => void = () => {}): Promise<SqlEngine> {
  const options = resolveOptions({ ...optionsFromFlags(flags), onProgress })
  return openSql({ ...options, ...(options.postgres === undefined ? {} : { postgres: { ...options.postgres, statementTimeoutMs: 0 } }) })
}
