import { LRUCache } from 'lru-cache'
import { type CachedValue, isUsable } from './types.ts'

interface Held {
  readonly value: CachedValue
  /** The KV revision behind it: a change above it ends it. */
  readonly base: number
}

/** A load or promotion under way, and what was reported meanwhile. */
export interface FillToken {
  readonly id: string
  newest: number
  poisoned: boolean
  readonly tags: Map<string, number>
}

/**
 * The first tier. An entry is kept only if no change of its key or tags was reported between the beginning of its load and
 * its arrival; so a load that began before an invalidation never fills the cache with the old value.
 */
export class CacheMemory {
  readonly #entries: LRUCache<string, Held>
  readonly #byTag = new Map<string, Set<string>>()
  readonly #fills = new Map<string, Set<FillToken>>()
  evictions = 0
  expirations = 0

  constructor(maxBytes: number) {
    this.#entries = new LRUCache({
      maxSize: maxBytes,
      sizeCalculation: ({ value }, id) => 2 * ((value.text?.length ?? 0) + id.length) + 300 + 100 * Object.keys(value.tags).length,
      dispose: ({ value }, id, reason) => {
        if (reason === 'evict') this.evictions++
        const tenant = id.slice(0, id.indexOf('\u0000') + 1)
        for (const tag of Object.keys(value.tags)) {
          const ids = this.#byTag.get(tenant + tag)
          if (ids?.delete(id) === true && ids.size === 0) this.#byTag.delete(tenant + tag)
        }
      },
    })
  }

  get(id: string, now = Date.now()): CachedValue | undefined {
    const held = this.#entries.get(id)
    if (held === undefined) return undefined
    if (isUsable(held.value, now)) return held.value
    this.#entries.delete(id)
    this.expirations++
    return undefined
  }

  begin(id: string): FillToken {
    const token: FillToken = { id, newest: 0, poisoned: false, tags: new Map() }
    const tokens = this.#fills.get(id)
    if (tokens === undefined) this.#fills.set(id, new Set([token]))
    else tokens.add(token)
    return token
  }

  end(token: FillToken): void {
    const tokens = this.#fills.get(token.id)
    tokens?.delete(token)
    if (tokens?.size === 0) this.#fills.delete(token.id)
  }

  /** True while nothing was reported since `begin` that is newer than `base` and the marks of the value's tags. */
  isCurrent(token: FillToken, base: number, tags: Readonly<Record<string, number>>): boolean {
    return !token.poisoned && token.newest <= base && Object.entries(tags).every(([tag, mark]) => (token.tags.get(tag) ?? 0) <= mark)
  }

  /** Keeps the value unless it is outdated already. */
  fill(token: FillToken, value: CachedValue, base: number): boolean {
    if (!this.isCurrent(token, base, value.tags)) return false
    const { id } = token
    const tenant = id.slice(0, id.indexOf('\u0000') + 1)
    this.#entries.set(id, { value, base })
    if (!this.#entries.has(id)) return true
    for (const tag of Object.keys(value.tags)) {
      const ids = this.#byTag.get(tenant + tag)
      if (ids === undefined) this.#byTag.set(tenant + tag, new Set([id]))
      else ids.add(id)
    }
    return true
  }

  /** The key changed in the KV tier. */
  changed(id: string, revision: number): void {
    for (const token of this.#fills.get(id) ?? []) if (revision > token.newest) token.newest = revision
    const held = this.#entries.peek(id)
    if (held !== undefined && held.base < revision) this.#entries.delete(id)
  }

  /** The key is invalid as of now, whatever the KV tier says later. */
  drop(id: string): void {
    for (const token of this.#fills.get(id) ?? []) token.poisoned = true
    this.#entries.delete(id)
  }

  /** `tenant` with U+0000 behind it. A `mark` of Infinity: invalid as of now. */
  tagChanged(tenant: string, tag: string, mark: number): void {
    for (const [id, tokens] of this.#fills) {
      if (id.startsWith(tenant)) for (const token of tokens) token.tags.set(tag, Math.max(mark, token.tags.get(tag) ?? 0))
    }
    for (const id of this.#byTag.get(tenant + tag) ?? []) {
      if ((this.#entries.peek(id)?.value.tags[tag] ?? 0) < mark) this.#entries.delete(id)
    }
  }

  /** Reports may have been missed: nothing that is here or on its way counts. */
  clear(): void {
    for (const tokens of this.#fills.values()) for (const token of tokens) token.poisoned = true
    this.#entries.clear()
  }

  /** Takes out what is past its time. */
  sweep(now = Date.now()): void {
    for (const [id, { value }] of this.#entries.entries()) {
      if (isUsable(value, now)) continue
      this.#entries.delete(id)
      this.expirations++
    }
  }

  get size(): { entries: number; bytes: number } {
    return { entries: this.#entries.size, bytes: this.#entries.calculatedSize }
  }
}
