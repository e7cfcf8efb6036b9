import { readFile, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { CairnError } from '../../../errors/index.ts'

/** The PostgreSQL version whose files PGlite 0.5 reads. */
const PGLITE_VERSION = '18'

/** A folder that PGlite fills at the first start, put in place when it is complete: a start that was cut off leaves nothing behind. */
export function unfinishedDir(dataDir: string): string {
  return join(dirname(dataDir), `.${basename(dataDir)}.unfinished`)
}

/** Whether the folder holds a database; throws DATA_DIR_CORRUPT when it holds something else. */
export async function inspectDataDir(dataDir: string): Promise<'empty' | 'database'> {
  let names: string[]
  try {
    names = await readdir(dataDir)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT') return 'empty'
    if (code === 'ENOTDIR') throw corrupt(dataDir, 'it is a file, not a directory', error)
    throw corrupt(dataDir, (error as Error).message, error)
  }
  if (names.length === 0) return 'empty'
  if (!names.includes('PG_VERSION')) throw corrupt(dataDir, 'it has files but no PG_VERSION, so it is not a database of PGlite')
  const version = (await readFile(join(dataDir, 'PG_VERSION'), 'utf8')).trim()
  if (version !== PGLITE_VERSION) throw corrupt(dataDir, `it was made by PostgreSQL ${version || 'of an unknown version'}, and this PGlite reads version ${PGLITE_VERSION}`)
  for (const needed of ['global', 'base', 'pg_wal']) {
    if (!names.includes(needed)) throw corrupt(dataDir, `its folder ${needed} is missing`)
  }
  // Left behind by a killed process; the lock says that nobody else is here.
  await rm(join(dataDir, 'postmaster.pid'), { force: true })
  return 'database'
}

/** Moves a complete new database to its place. */
export async function putInPlace(from: string, dataDir: string): Promise<void> {
  await rm(dataDir, { recursive: true, force: true })
  await rename(from, dataDir)
}

export function corrupt(dataDir: string, reason: string, cause?: unknown): CairnError {
  return new CairnError(
    'DATA_DIR_CORRUPT',
    `The data directory ${dataDir} cannot be opened: ${reason}. Restore it from a backup, or move it away to start with an empty one.`,
    { cause, details: { dataDir } },
  )
}
