import { readFileSync } from 'node:fs'
import { CairnError } from '../errors/index.ts'
import type { CairnOptions } from './options.ts'

/** The options file, looked for in the working directory unless CAIRN_CONFIG names another. */
export const OPTIONS_FILE = 'cairn.config.json'

/** Options from the JSON file at `path`; nothing when it does not exist and was not named by the user. */
export function fromFile(path: string, named: boolean): CairnOptions {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (!named && (error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new CairnError('INVALID_OPTION', `CAIRN_CONFIG: the options file ${path} cannot be read: ${(error as Error).message}.`, { cause: error, details: { option: 'CAIRN_CONFIG' } })
  }
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
    throw new SyntaxError('it must be a JSON object')
  } catch (error) {
    throw new CairnError('INVALID_OPTION', `${path}: this options file is not JSON: ${(error as Error).message}.`, { cause: error, details: { option: path } })
  }
}
