import { constants } from 'node:fs'
import { cp } from 'node:fs/promises'

/** Names of the template folders of PGlite; the second is also the name of a template database. */
export const EMPTY_TEMPLATE = 'cairn_empty'
export const MIGRATED_TEMPLATE = 'cairn_migrated'

/** Copies a folder, sharing blocks where the file system can. */
export function copyFolder(from: string, to: string): Promise<void> {
  return cp(from, to, { recursive: true, mode: constants.COPYFILE_FICLONE })
}
