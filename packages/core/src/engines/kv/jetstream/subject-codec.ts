import type { KvKey } from '../kv-engine.ts'

const PLAIN = /^[A-Za-z0-9_-]+$/
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * A key as subject tokens: the last segment keeps A-Z a-z 0-9 _ - and writes every other byte of its UTF-8 as =XX, so that
 * any text is one legal token; the segments before it are plain already.
 */
export function encodeKey(key: KvKey): string {
  const last = key.length - 1
  let subject = ''
  for (let index = 0; index < last; index++) subject += `${key[index] as string}.`
  return subject + encodeSegment(key[last] as string)
}

export function encodeSegment(text: string): string {
  if (PLAIN.test(text)) return text
  let token = ''
  for (const byte of Buffer.from(text, 'utf8')) {
    const plain = (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122) || byte === 95 || byte === 45
    token += plain ? String.fromCharCode(byte) : `=${byte < 16 ? '0' : ''}${byte.toString(16).toUpperCase()}`
  }
  return token
}

/** The key of a subject, or undefined when somebody else wrote it and it is none of ours. */
export function decodeKey(tokens: string): KvKey | undefined {
  const segments = tokens.split('.')
  const last = segments.pop() as string
  if (!last.includes('=')) return [...segments, last]
  const bytes: number[] = []
  for (let index = 0; index < last.length; index++) {
    if (last[index] !== '=') {
      bytes.push(last.charCodeAt(index))
      continue
    }
    const code = Number.parseInt(last.slice(index + 1, index + 3), 16)
    if (Number.isNaN(code)) return undefined
    bytes.push(code)
    index += 2
  }
  try {
    return [...segments, decoder.decode(Uint8Array.from(bytes))]
  } catch {
    return undefined
  }
}
