import { canonicalJson } from '../canonical-json.ts'
import type { CrdtNode } from './crdt/index.ts'
import type { Hlc } from './hlc.ts'
import type { ConflictStrategy } from './policy-types.ts'
import type { VectorClock } from './vector-clock.ts'

/** A value that stands beside another because neither writer knew of the other. */
export interface Sibling {
  /** Canonical JSON; null for a deletion. */
  readonly t: string | null
  readonly n: readonly [node: string, event: number]
  readonly h: Hlc
}

/** What is stored with a value so that the next write can be resolved: in the envelope, and in agents.state.clock. */
export interface ConflictClock {
  readonly s: ConflictStrategy
  /** When the newest write in the value was made. */
  readonly h: Hlc
  /** `vector`: every write that the value knows of. */
  readonly vv?: VectorClock
  /** `vector`: the writes that the value is made of; more than one when they are kept side by side. */
  readonly sib?: readonly Sibling[]
  /** `crdt`: the state behind the value. */
  readonly crdt?: CrdtNode
  /** `crdt`, `custom`: ids of operations that are in the value; they would count twice if they came again. */
  readonly ops?: AppliedOperations
}

export interface AppliedOperations {
  /** Acknowledged by SQL alone; each will come again when the hot tier is back. */
  readonly p: readonly string[]
  /** The newest of those done. */
  readonly d: readonly string[]
}

/** Ids of done operations that are remembered, so that they are not applied again. */
export const REMEMBERED_OPERATIONS = 256

export function encodeClock(clock: ConflictClock): string {
  return canonicalJson(clock)
}

export function decodeClock(text: string): ConflictClock {
  return JSON.parse(text) as ConflictClock
}

/** What a caller sees of the clock beside the value. */
export interface ConflictInfo {
  /** Give it back with the next write, so that it counts as made in knowledge of this value (vector clock). */
  readonly context?: string
  /** All values that stand side by side, when there is more than one; a deletion is null with `deleted`. */
  readonly siblings?: readonly { readonly value: unknown; readonly deleted: boolean; readonly writtenAt: Date }[]
}

export function conflictInfo(text: string): ConflictInfo {
  // A CRDT state may be large, and has nothing to show here.
  if (!/"s": ?"vector"/.test(text)) return {}
  const { vv, sib } = decodeClock(text)
  if (vv === undefined) return {}
  return {
    context: Buffer.from(canonicalJson(vv)).toString('base64url'),
    ...(sib === undefined || sib.length < 2
      ? {}
      : { siblings: sib.map(({ t, h }) => ({ value: t === null ? null : (JSON.parse(t) as unknown), deleted: t === null, writtenAt: new Date(h[0]) })) }),
  }
}
