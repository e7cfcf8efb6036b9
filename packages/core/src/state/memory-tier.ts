import { LRUCache } from 'lru-cache'
import type { StoredState } from './state-entry.ts'

interface Cached {
  readonly stored: StoredState
  readonly generation: number
}

/**
 * Values in memory. Invariant: an entry that is served is the newest this process has seen, and no change of it
 * was reported since. Two things guard it:
 * - a change seen while a read or write of the key is under way (`begin` … `settle`) keeps an older result out;
 * - after a gap in the change reports, entries are only a lower bound until they were read again.
 */
export class MemoryTier {
  readonly #entries: LRUCache<string, Cached>
  /** Keys with a read or write under way: how many, and the newest bucket revision reported meanwhile. */
  readonly #underWay = new Map<string, { count: number; newest: number }>()
  #generation = 0
  hits = 0
  misses = 0
  /** Told of each key that was loaded or written here; must be quick. */
  onTouch: ((id: string) => void) | undefined

  constructor(maxBytes: number) {
    this.#entries = new LRUCache({ maxSize: maxBytes, sizeCalculation: (cached, id) => (cached.stored.text?.length ?? 0) + id.length + 200 })
  }

  /** The entry when it is known to be current. */
  get(id: string): StoredState | undefined {
    const cached = this.#entries.get(id)
    if (cached !== undefined && cached.generation === this.#generation) {
      this.hits++
      return cached.stored
    }
    this.misses++
    return undefined
  }

  /** The newest this process has seen, current or not: nothing older may be shown. */
  floor(id: string): StoredState | undefined {
    return this.#entries.peek(id)?.stored
  }

  begin(id: string): void {
    const state = this.#underWay.get(id)
    if (state === undefined) this.#underWay.set(id, { count: 1, newest: 0 })
    else state.count++
  }

  /** Ends what `begin` began; `stored` is kept unless something newer is known. */
  settle(id: string, stored: StoredState | undefined): void {
    const state = this.#underWay.get(id)
    const newest = state?.newest ?? 0
    if (state !== undefined && --state.count === 0) this.#underWay.delete(id)
    if (stored === undefined) return
    this.onTouch?.(id)
    const known = this.#entries.peek(id)
    if (known !== undefined && known.stored.revision > stored.revision) return
    // Kept as a floor in any case; served only when no newer change was reported meanwhile.
    const current = stored.kvRevision === undefined ? newest === 0 : stored.kvRevision >= newest
    this.#entries.set(id, { stored, generation: current ? this.#generation : -1 })
  }

  /** A change was reported: what is older may not be served any more. */
  changed(id: string, kvRevision: number): void {
    const state = this.#underWay.get(id)
    if (state !== undefined && kvRevision > state.newest) state.newest = kvRevision
    const cached = this.#entries.peek(id)
    if (cached !== undefined && (cached.stored.kvRevision ?? 0) < kvRevision) {
      this.#entries.set(id, { stored: cached.stored, generation: -1 })
    }
  }

  /** Changes may have been missed: every entry must be read again before it is served. */
  gap(): void {
    this.#generation++
    for (const state of this.#underWay.values()) state.newest = Number.MAX_SAFE_INTEGER
  }

  /** Drops the entries whose ids begin with `prefix`; returns how many. Only what SQL holds may be dropped. */
  forget(prefix: string): number {
    let dropped = 0
    for (const id of this.#entries.keys()) if (id.startsWith(prefix) && this.#entries.delete(id)) dropped++
    return dropped
  }

  get size(): { entries: number; bytes: number } {
    return { entries: this.#entries.size, bytes: this.#entries.calculatedSize }
  }
}
