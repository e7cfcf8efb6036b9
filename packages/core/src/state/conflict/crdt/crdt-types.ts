import type { Hlc } from '../hlc.ts'

export type CrdtType = 'register' | 'counter' | 'set' | 'map'
export const CRDT_TYPES = ['register', 'counter', 'set', 'map'] as const satisfies readonly CrdtType[]

/**
 * State-based CRDT values, as JSON. `g` is the generation: when the value was last replaced or removed as a whole. Of two
 * generations the later counts and the earlier is gone; within one, the states are merged.
 */
export type CrdtNode = RemovedNode | RegisterNode | CounterNode | SetNode | MapNode

/** Tombstone: there is no value. */
export interface RemovedNode {
  readonly t: 'x'
  readonly g: Hlc
}

/** Last writer wins: each assignment is a generation. */
export interface RegisterNode {
  readonly t: 'r'
  readonly g: Hlc
  /** Any JSON. */
  readonly v: unknown
}

/** PN-counter: what each replica added and took away; both only grow. */
export interface CounterNode {
  readonly t: 'c'
  readonly g: Hlc
  readonly p: Readonly<Record<string, number>>
  readonly n: Readonly<Record<string, number>>
}

/** An addition: replica and its running number. */
export type Dot = readonly [replica: string, number: number]

/**
 * Observed-remove set without tombstones (Bieniusa et al., "An optimized conflict-free replicated set", 2012): an element
 * that one side has and the other has seen but no longer has, was removed there.
 */
export interface SetNode {
  readonly t: 's'
  readonly g: Hlc
  /** Newest addition seen of each replica. */
  readonly vv: Readonly<Record<string, number>>
  /** Canonical JSON of an element → the additions that hold it. */
  readonly e: Readonly<Record<string, readonly Dot[]>>
}

/** Each entry is a value of its own; a removed entry leaves its tombstone. */
export interface MapNode {
  readonly t: 'm'
  readonly g: Hlc
  readonly e: Readonly<Record<string, CrdtNode>>
}

/** A change of a CRDT value. `path` leads through maps; none is the value itself. */
export type CrdtOperation =
  /** A whole number; negative takes away. */
  | { readonly type: 'increment'; readonly path?: readonly string[]; readonly by: number }
  | { readonly type: 'add'; readonly path?: readonly string[]; readonly value: unknown }
  | { readonly type: 'remove'; readonly path?: readonly string[]; readonly value: unknown }
  /** Replaces what is at the path; objects become maps, all else registers, unless `as` says counter, set or register. */
  | { readonly type: 'assign'; readonly path?: readonly string[]; readonly value: unknown; readonly as?: CrdtType }
  /** Assigns each leaf of an object and leaves other entries alone. */
  | { readonly type: 'patch'; readonly path?: readonly string[]; readonly value: Readonly<Record<string, unknown>> }
  /** Removes what is at the path. */
  | { readonly type: 'unset'; readonly path?: readonly string[] }
  /** Joins the state of another replica, as `crdt(...).state()` gave it. */
  | { readonly type: 'merge'; readonly state: unknown }
