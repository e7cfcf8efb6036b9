import { LRUCache } from 'lru-cache'
import { type LineageContent, contentBytes } from './content.ts'
import type { StoredHeader } from './read-batch.ts'

/** A content, its name, and how much was stored as changes since it was last stored whole. */
export interface KnownContent {
  readonly content: LineageContent
  readonly frameId: string
  /** Frames of changes since the whole one. */
  readonly links: number
  /** Their bytes. */
  readonly chainBytes: number
  readonly wholeBytes: number
  /** What was read with it; undefined until it was. */
  readonly header?: StoredHeader
}

export function knownContent(content: LineageContent, frameId: string, links: number, chainBytes: number): KnownContent {
  return { content, frameId, links, chainBytes, wholeBytes: contentBytes(content) }
}

/** The two newest contents of a lineage that this process has seen. */
interface Newest {
  readonly id: string
  readonly before: string | undefined
}

/**
 * Contents in memory. They cannot be stale: what is under a frame id never changes, and which frame a checkpoint has
 * now is asked from SQL each time. Bounded by bytes; channels shared between checkpoints are counted each time. What two
 * newer ones have followed is forgotten: it is hardly read again, and what dies young costs the garbage collector nothing.
 */
export class ContentCache {
  readonly #contents: LRUCache<string, KnownContent>
  readonly #newest = new LRUCache<string, Newest>({ max: 100_000 })

  constructor(maxBytes: number) {
    this.#contents = new LRUCache({ maxSize: maxBytes, sizeCalculation: (known) => known.wholeBytes + (known.header?.metadata.length ?? 0) + 500 })
  }

  get(lineageKey: string, id: string): KnownContent | undefined {
    return this.#contents.get(`${lineageKey}\n${id}`)
  }

  /** The content of the newest checkpoint that this process has seen of the lineage. */
  newest(lineageKey: string): KnownContent | undefined {
    const newest = this.#newest.get(lineageKey)
    return newest && this.get(lineageKey, newest.id)
  }

  set(lineageKey: string, id: string, known: KnownContent): void {
    this.#contents.set(`${lineageKey}\n${id}`, known)
  }

  sawNewest(lineageKey: string, id: string): void {
    const newest = this.#newest.get(lineageKey)
    if (newest?.id === id) return
    if (newest?.before !== undefined && newest.before !== id) this.#contents.delete(`${lineageKey}\n${newest.before}`)
    this.#newest.set(lineageKey, { id, before: newest?.id })
  }
}
