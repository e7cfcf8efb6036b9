import { JsonPlusSerializer } from '@langchain/langgraph-checkpoint'

const ENCODER = new TextEncoder()
const DECODER = new TextDecoder()
/** Of lists this long, the items' texts are kept: a conversation is stored again and again with one more. */
const LONG_LIST = 8
/** Deeper values, and those that contain themselves, are left to JsonPlusSerializer. */
const DEEPEST = 100

/**
 * JsonPlusSerializer with the same bytes and the same values, faster where nothing special is in them: plain JSON is
 * written and read by JSON itself, and only the parts that are marked (`lc`) go through the reviver. Anything else (class
 * instances, undefined, cycles, keys that could be a prototype) is JsonPlusSerializer's work as before.
 */
export class FastJsonPlusSerializer extends JsonPlusSerializer {
  readonly #items = new WeakMap<object, KnownItem>()

  override async dumpsTyped(value: unknown): Promise<[string, Uint8Array]> {
    const text = this.dumpsNow(value)
    return text === undefined ? super.dumpsTyped(value) : ['json', ENCODER.encode(text)]
  }

  /** The JSON text of a plain value; undefined for any other. */
  dumpsNow(value: unknown): string | undefined {
    if (Array.isArray(value) && value.length >= LONG_LIST && Object.getPrototypeOf(value) === Array.prototype) return this.#listText(value)
    return isPlain(value, 0) ? JSON.stringify(value) : undefined
  }

  #listText(list: readonly unknown[]): string | undefined {
    const texts: string[] = []
    for (let index = 0; index < list.length; index++) {
      const text = this.#itemText(list[index])
      if (text === undefined) return undefined
      texts.push(text)
    }
    return `[${texts.join(',')}]`
  }

  /** What was kept counts only while the item has the same properties, in the same order, as then: callers change their objects. */
  #itemText(item: unknown): string | undefined {
    if (typeof item !== 'object' || item === null) return isPlain(item, 1) ? JSON.stringify(item) : undefined
    const known = this.#items.get(item)
    if (known !== undefined && isSame(item, known)) return known.text
    if (!isPlain(item, 1)) return undefined
    const text = JSON.stringify(item)
    const keys = Object.keys(item)
    const values = keys.map((key) => (item as Record<string, unknown>)[key])
    if (!Array.isArray(item) && values.every((value) => typeof value !== 'object' || value === null)) this.#items.set(item, { keys, values, text })
    return text
  }

  override async loadsTyped(type: string, data: Uint8Array | string): Promise<unknown> {
    if (type !== 'json') return super.loadsTyped(type, data) as Promise<unknown>
    const text = typeof data === 'string' ? data : DECODER.decode(data)
    if (hidesMarks(text)) return super.loadsTyped(type, text) as Promise<unknown>
    if (!text.includes('"lc"')) return JSON.parse(text) as unknown
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || isMarked(value)) return super.loadsTyped(type, text) as Promise<unknown>
    const pending: Promise<void>[] = []
    this.#revive(value as Record<string, unknown>, pending)
    if (pending.length > 0) await Promise.all(pending)
    return value
  }

  /** Puts what the marked parts stand for in their places. `holder` was made by JSON.parse here, so it may be changed. */
  #revive(holder: Record<string, unknown>, pending: Promise<void>[]): void {
    for (const key of Object.keys(holder)) {
      const child = holder[key]
      if (typeof child !== 'object' || child === null) continue
      if (isMarked(child)) {
        const revived = super.loadsTyped('json', JSON.stringify(child)) as Promise<unknown>
        pending.push(revived.then((value) => void (holder[key] = value)))
      } else this.#revive(child as Record<string, unknown>, pending)
    }
  }
}

/** An object without others in it, and its text. */
interface KnownItem {
  readonly keys: readonly string[]
  readonly values: readonly unknown[]
  readonly text: string
}

function isSame(item: object, { keys, values }: KnownItem): boolean {
  if (Object.getPrototypeOf(item) !== Object.prototype) return false
  const now = Object.keys(item)
  if (now.length !== keys.length) return false
  for (let index = 0; index < now.length; index++) {
    const key = now[index] as string
    if (key !== keys[index] || (item as Record<string, unknown>)[key] !== values[index]) return false
  }
  return (item as { lg_name?: unknown }).lg_name === undefined
}

/** An escaped letter of `lc` or `__proto__` would hide it: \u006c \u0063 \u005f and so on. */
function hidesMarks(text: string): boolean {
  return text.includes('__proto__') || text.includes('\\u006') || text.includes('\\u005') || text.includes('\\u007')
}

/** True for JSON that `loadsTyped` reads as JSON.parse does. */
export function isUnmarked(text: string): boolean {
  return !text.includes('"lc"') && !hidesMarks(text)
}

function isMarked(value: object): boolean {
  const { lc } = value as { lc?: unknown }
  return lc === 1 || lc === 2
}

/** True for what JSON.stringify alone writes as JsonPlusSerializer does. */
function isPlain(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
      return true
    case 'object':
      break
    default:
      return false
  }
  if (value === null) return true
  if (depth >= DEEPEST) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  if (Array.isArray(value)) {
    if (prototype !== Array.prototype) return false
    for (let index = 0; index < value.length; index++) if (!isPlain(value[index], depth + 1)) return false
    return true
  }
  if (prototype !== Object.prototype) return false
  if ((value as { lg_name?: unknown }).lg_name !== undefined) return false
  for (const key of Object.keys(value)) if (!isPlain((value as Record<string, unknown>)[key], depth + 1)) return false
  return true
}
