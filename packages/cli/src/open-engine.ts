import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { CairnError } from '@cairn/core'
import { openPglite, openPostgres, resolveOptions, type SqlEngine } from '@cairn/core/internal'

export interface EngineFlags {
  /** `--postgres <url>` */
  readonly postgres?: string
  /** `--data-dir <dir>`; PGlite keeps its files in `<dir>/pg`. */
  readonly dataDir?: string
}

/**
 * Opens the SQL engine that the flags name, else the environment (DATABASE_URL, PG_*, CAIRN_DATA_DIR), else
 * cairn.config.json, else PGlite in `.cairn/pg`. No statement is cut off by a time limit.
 *
 * Errors: INVALID_OPTION, CONNECTION_FAILED, AUTHENTICATION_FAILED, DATA_DIR_LOCKED, DATA_DIR_CORRUPT.
 */
export async function openEngineFromFlags(flags: EngineFlags, onProgress: (what: string) => void = () => {}): Promise<SqlEngine> {
  if (flags.postgres !== undefined && flags.dataDir !== undefined) {
    throw new CairnError('INVALID_OPTION', '--postgres and --data-dir name two different databases: give one of them.', { details: { option: 'postgres' } })
  }
  const options = resolveOptions({
    ...(flags.postgres === undefined ? {} : { postgres: flags.postgres }),
    ...(flags.dataDir === undefined ? {} : { dataDir: flags.dataDir }),
  })
  // A data directory named on the command line beats a server named in the environment.
  if (options.postgres !== undefined && flags.dataDir === undefined) return openPostgres({ ...options.postgres, statementTimeoutMs: 0 })
  try {
    await mkdir(options.dataDir, { recursive: true })
  } catch (cause) {
    throw new CairnError('DATA_DIR_CORRUPT', `${options.dataDir} cannot be used as a data directory: ${(cause as Error).message}`, { cause })
  }
  return openPglite({ dataDir: join(options.dataDir, 'pg'), onProgress })
}
