import { readFile } from 'node:fs/promises'
import { CairnError, type LineageEncryption } from '@cairn/core'

/** Reads `{ "activeKey": "2026", "keys": { "2026": "<base64 of 32 bytes>" } }`. INVALID_OPTION, which never shows a key. */
export async function readEncryption(file: string): Promise<LineageEncryption> {
  const wrong = (why: string, cause?: unknown): CairnError => new CairnError('INVALID_OPTION', `--encryption-key-file ${file}: ${why}`, { cause, details: { option: 'encryption-key-file' } })
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw wrong(`it cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}.`, error)
  })
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw wrong('it is not JSON.')
  }
  const { activeKey, keys } = (parsed ?? {}) as { activeKey?: unknown; keys?: unknown }
  if (typeof activeKey !== 'string' || typeof keys !== 'object' || keys === null || !Object.values(keys).every((key) => typeof key === 'string')) {
    throw wrong('it must be { "activeKey": "an id", "keys": { "an id": "32 bytes in base64" } }.')
  }
  return { activeKey, keys: Object.fromEntries(Object.entries(keys as Record<string, string>).map(([id, key]) => [id, Buffer.from(key, 'base64')])) }
}
