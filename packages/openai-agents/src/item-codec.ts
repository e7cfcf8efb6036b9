import type { AgentInputItem } from '@openai/agents-core'

/**
 * Items as JSON and back. What JSON lacks stands as an object with the one key `$cairn`: bytes (images and files may be
 * Uint8Array), NaN, Infinity and -0, bigint, Date, and undefined in an array. An object that has that key itself is wrapped.
 */
const MARK = '$cairn'

type Marked =
  | { type: 'bytes'; base64: string }
  | { type: 'number' | 'bigint' | 'date'; text: string }
  | { type: 'undefined' }
  | { type: 'object'; value: Record<string, unknown> }

const marked = (value: Marked): Record<string, unknown> => ({ [MARK]: value })

/** @throws DataCloneError for functions and other things that cannot be copied, as MemorySession does */
export function encodeItem(item: AgentInputItem): unknown {
  return encode(structuredClone(item), [])
}

export function decodeItem(stored: unknown): AgentInputItem {
  return decode(stored) as AgentInputItem
}

function encode(value: unknown, ancestors: unknown[]): unknown {
  if (value === undefined) return marked({ type: 'undefined' })
  if (typeof value === 'bigint') return marked({ type: 'bigint', text: String(value) })
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0) ? value : marked({ type: 'number', text: Object.is(value, -0) ? '-0' : String(value) })
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return marked({ type: 'bytes', base64: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') })
  if (value instanceof Date) return marked({ type: 'date', text: String(value.getTime()) })
  // A cycle, or a class such as Map, is left for the library to refuse, with its path.
  if (ancestors.includes(value)) return value
  const inside = [...ancestors, value]
  if (Array.isArray(value)) return Array.from(value, (element: unknown) => encode(element, inside))
  if (Object.getPrototypeOf(value) !== Object.prototype) return value
  const copy = copyOf(value, (property) => encode(property, inside))
  return Object.hasOwn(value, MARK) ? marked({ type: 'object', value: copy }) : copy
}

function decode(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(decode)
  const mark = (value as Record<string, unknown>)[MARK] as Marked | undefined
  if (mark === undefined || !Object.hasOwn(value, MARK)) return copyOf(value, decode)
  switch (mark.type) {
    case 'bytes':
      return new Uint8Array(Buffer.from(mark.base64, 'base64'))
    case 'number':
      return Number(mark.text)
    case 'bigint':
      return BigInt(mark.text)
    case 'date':
      return new Date(Number(mark.text))
    case 'undefined':
      return undefined
    case 'object':
      return copyOf(mark.value, decode)
    default:
      return value
  }
}

/** Properties that are undefined are left out; `__proto__` is a name like any other. */
function copyOf(value: object, each: (property: unknown) => unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).flatMap(([name, property]) => (property === undefined ? [] : [[name, each(property)]])))
}
