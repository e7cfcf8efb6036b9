import { isCairnError } from '../../errors/index.ts'
import type { CachedValue } from './types.ts'

/** A head in one line, and the value's text behind it. */
export function toWire({ text, at, ttlMs, staleMs, tags }: CachedValue): string {
  return `${JSON.stringify({ at, ttlMs, staleMs, tags, none: text === null })}\n${text ?? ''}`
}

/** Undefined for what another version wrote differently: a miss. */
export function fromWire(wire: string): CachedValue | undefined {
  const end = wire.indexOf('\n')
  try {
    const { at, ttlMs, staleMs, tags, none } = JSON.parse(wire.slice(0, end)) as Omit<CachedValue, 'text'> & { none: boolean }
    return { text: none ? null : wire.slice(end + 1), at, ttlMs, staleMs, tags }
  } catch {
    return undefined
  }
}

/** The KV tier does not take this value; memory may. */
export function isTooMuch(error: unknown): boolean {
  return isCairnError(error, 'PAYLOAD_TOO_LARGE') || isCairnError(error, 'STORAGE_FULL')
}
