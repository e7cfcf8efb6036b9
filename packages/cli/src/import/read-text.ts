import { readFile } from 'node:fs/promises'
import { CairnError } from '@cairn/core'

/** A file of UTF-8. INVALID_ARGUMENT when it cannot be read, IMPORT_MALFORMED when it is not such text. */
export async function readText(file: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file))
  } catch (cause) {
    if (cause instanceof TypeError) throw new CairnError('IMPORT_MALFORMED', `${file}: it is not UTF-8 text.`, { cause, details: { file } })
    const code = (cause as NodeJS.ErrnoException).code
    const why = code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a directory' : (cause as Error).message
    throw new CairnError('INVALID_ARGUMENT', `${file}: it cannot be read: ${why}.`, { cause, details: { file } })
  }
}
