import { type AppliedOperations, type ConflictClock, REMEMBERED_OPERATIONS } from './conflict-clock.ts'
import type { CrdtOperation } from './crdt/index.ts'
import { type Hlc, compareHlc } from './hlc.ts'
import type { MergeRegistry } from './merge-registry.ts'
import type { VectorClock } from './vector-clock.ts'

/** A write that is to be joined with what is stored. JSON, so that it can wait in the backlog. */
export interface Incoming {
  /** Names this one operation, whoever applies it. */
  readonly id: string
  readonly h: Hlc
  /** Number of this write among those of its node. */
  readonly event: number
  /** Canonical JSON of the new value, null to delete; undefined for an operation on a CRDT value. */
  readonly text?: string | null
  readonly operation?: CrdtOperation
  /** What its writer knew of, by vector clock. */
  readonly context: VectorClock
  /** The caller named the context: the writes of this node are not known to it unless they are in there. */
  readonly exact?: boolean
  readonly expiresAt?: number
  /** Nothing to resolve: the caller named the current revision, or restores a checkpoint. */
  readonly replaces?: boolean
  /** The id may come again: it is kept in the value. */
  readonly remember: boolean
}

export interface ResolveEnvironment {
  readonly merges: MergeRegistry
  readonly where: { readonly agentId: string; readonly key: string }
  /** The line of states that the operations of CRDT values are applied to, one after the other. */
  readonly replica: string
  /** `direct`: into SQL alone, and again later. `replay`: it was acknowledged and cannot be refused any more. */
  readonly mode: 'normal' | 'direct' | 'replay'
  /** Whether a clock can be right; one far ahead of this machine cannot. */
  believes(time: Hlc): boolean
}

/**
 * - `written`: the incoming write replaced what was there, in knowledge of it or as the newer.
 * - `merged`: both are in the value.
 * - `stale`: what is stored is newer and stays; the incoming write is gone.
 * - `repeated`: the incoming write was in the value already.
 */
export type Outcome = 'written' | 'merged' | 'stale' | 'repeated'

export interface Resolved {
  readonly outcome: Outcome
  /** False: what is stored stays as it is. */
  readonly changed: boolean
  readonly text: string | null
  readonly clock: ConflictClock
  readonly expiresAt: number | undefined
}

/** What is stored, as the strategies see it. */
export interface Current {
  readonly text: string | null
  readonly clock: ConflictClock | undefined
  /** When it was written; zero when there is nothing, or when the stored clock cannot be believed. */
  readonly h: Hlc
  readonly expiresAt: number | undefined
  /** There was a value, and its time to live is over. */
  readonly expired: boolean
}

export function sideOf(text: string, h: Hlc): { value: unknown; writtenAt: Date } {
  return { value: JSON.parse(text) as unknown, writtenAt: new Date(h[0]) }
}

export function unchanged(current: Current, outcome: Outcome, strategy: ConflictClock['s']): Resolved {
  return { outcome, changed: false, text: current.text, clock: current.clock ?? { s: strategy, h: current.h }, expiresAt: current.expiresAt }
}

export function newest(current: Hlc, incoming: Incoming): Hlc {
  return compareHlc(current, incoming.h) < 0 ? incoming.h : current
}

/** Two values in one: it stays as long as the longer of them. */
export function laterEnd(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : Math.max(a, b)
}

/** Set when the operation is in the value already; `changed` when it is no longer pending by this. */
export function knownOperation(ops: AppliedOperations | undefined, incoming: Incoming, mode: ResolveEnvironment['mode']): { changed: boolean; ops: AppliedOperations } | undefined {
  if (ops === undefined || !incoming.remember) return undefined
  if (ops.p.includes(incoming.id)) {
    if (mode !== 'replay') return { changed: false, ops }
    return { changed: true, ops: { p: ops.p.filter((id) => id !== incoming.id), d: [...ops.d, incoming.id].slice(-REMEMBERED_OPERATIONS) } }
  }
  return ops.d.includes(incoming.id) ? { changed: false, ops } : undefined
}

export function withOperation(ops: AppliedOperations | undefined, incoming: Incoming, mode: ResolveEnvironment['mode']): AppliedOperations | undefined {
  if (!incoming.remember) return ops
  const { p, d } = ops ?? { p: [], d: [] }
  return mode === 'direct' ? { p: [...p, incoming.id], d } : { p, d: [...d, incoming.id].slice(-REMEMBERED_OPERATIONS) }
}
