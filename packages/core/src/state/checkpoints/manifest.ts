/** What a checkpoint holds: SHA-256 (hex) of the value, by key. */
export type Manifest = Map<string, string>

/** What differs from the one before: null for a key that is gone. */
export type Delta = Map<string, string | null>

export interface ChainRow {
  readonly id: string
  readonly position: number
  readonly isFull: boolean
  readonly keys: readonly string[]
  readonly hashes: readonly (string | null)[]
}

/** A row of a chain costs its reader about as much as this many keys. */
const ROW_WEIGHT = 4
const SHORTEST_CHAIN = 64

export function deltaOf(before: Manifest, after: Manifest): Delta {
  const delta: Delta = new Map()
  for (const [key, hash] of after) if (before.get(key) !== hash) delta.set(key, hash)
  for (const key of before.keys()) if (!after.has(key)) delta.set(key, null)
  return delta
}

/** The weight of a chain once `delta` is added to it. */
export function weightWith(weight: number, delta: Delta): number {
  return weight + ROW_WEIGHT + delta.size
}

/**
 * Whether a new chain should begin: what a reader goes through has become as much as the state itself. So a full manifest
 * is written only after as many changes as it has keys, and the bytes follow the changes.
 */
export function isHeavy(weight: number, keyCount: number): boolean {
  return weight > Math.max(SHORTEST_CHAIN * ROW_WEIGHT, keyCount)
}

export function rowDelta(row: Pick<ChainRow, 'keys' | 'hashes'>): Delta {
  return new Map(row.keys.map((key, index) => [key, row.hashes[index] ?? null]))
}

/** `later` on top of `earlier`. */
export function compose(earlier: Delta, later: Delta): Delta {
  return new Map([...earlier, ...later])
}

/** What the chain holds at its last row; undefined when it does not begin with a full one. */
export function manifestOf(rows: readonly ChainRow[]): Manifest | undefined {
  if (rows[0]?.isFull !== true) return undefined
  const manifest: Manifest = new Map()
  for (const row of rows) {
    if (row.isFull) manifest.clear()
    for (const [key, hash] of rowDelta(row)) {
      if (hash === null) manifest.delete(key)
      else manifest.set(key, hash)
    }
  }
  return manifest
}
