import { fileURLToPath } from 'node:url'

/** A file that is made from others and committed; `npm run verify` fails when it is not what its sources give. */
export interface GeneratedFile {
  /** From the root of the repository, with `/`. */
  readonly path: string
  readonly content: string
}

export const ROOT = fileURLToPath(new URL('..', import.meta.url))
