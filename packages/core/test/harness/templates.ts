import { constants } from 'node:fs'
import { cp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Names of the template folders of PGlite; the second is also the name of a template database. */
export const EMPTY_TEMPLATE = 'cairn_empty'
export const MIGRATED_TEMPLATE = 'cairn_migrated'

/** The data of a PostgreSQL that was stopped in order, with the migrated template database: every server of a run begins as a copy of it. */
export const postgresTemplate = (): string => join(tmpdir(), 'cairn-pg-template')

/** Copies a folder, sharing blocks where the file system can. */
export function copyFolder(from: string, to: string): Promise<void> {
  return cp(from, to, { recursive: true, mode: constants.COPYFILE_FICLONE })
}
