import { type ConflictInfo, conflictInfo } from './conflict/conflict-clock.ts'

/** Where a state key lives: the tenant, the agent's id, the key. */
export interface StateAddress {
  readonly tenant: string
  readonly agentId: string
  readonly key: string
}

/** One string for maps; U+0000 is in none of the parts. */
export function addressId(address: StateAddress): string {
  return `${address.tenant}\u0000${address.agentId}\u0000${address.key}`
}

export function describeAddress(address: StateAddress): string {
  return `state ${JSON.stringify(address.key)} of agent ${address.agentId}`
}

/** A revision of a key as any tier knows it; `text` is null for a deletion. */
export interface StoredState {
  readonly text: string | null
  readonly checksum: string
  readonly revision: number
  /** The bucket revision that carries it; undefined when it was read from SQL. */
  readonly kvRevision: number | undefined
  readonly writtenAt: number
  readonly expiresAt: number | undefined
  /** What the next write needs to be resolved against this one, as JSON; only under a conflict policy. */
  readonly clock?: string | undefined
}

/** What a caller gets: the value, its revision and its times; under a vector clock policy, its context and siblings too. */
export interface StateEntry<T = unknown> extends ConflictInfo {
  readonly key: string
  readonly value: T
  /** Grows with every change of the key; give it back as `ifRevision`. */
  readonly revision: number
  readonly updatedAt: Date
  /** When the entry stops being visible; null without a time to live. */
  readonly expiresAt: Date | null
}

export function isLive(stored: StoredState, now = Date.now()): boolean {
  return stored.text !== null && (stored.expiresAt === undefined || stored.expiresAt > now)
}

/** A fresh copy each time: what a caller does to a value never reaches the cache. */
export function toEntry<T>(key: string, stored: StoredState): StateEntry<T> {
  return {
    key,
    value: JSON.parse(stored.text as string) as T,
    revision: stored.revision,
    updatedAt: new Date(stored.writtenAt),
    expiresAt: stored.expiresAt === undefined ? null : new Date(stored.expiresAt),
    ...(stored.clock === undefined ? undefined : conflictInfo(stored.clock)),
  }
}
