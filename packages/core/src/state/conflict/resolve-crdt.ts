import { canonicalJson } from '../canonical-json.ts'
import type { ConflictClock } from './conflict-clock.ts'
import { type CrdtNode, applyOperation, nodeFrom, removed, valueOf } from './crdt/index.ts'
import { type Hlc, HLC_ZERO } from './hlc.ts'
import type { Resolution } from './policy-types.ts'
import { type Current, type Incoming, type ResolveEnvironment, type Resolved, knownOperation, newest, unchanged, withOperation } from './resolution.ts'

/** Applies the operation. A plain write or a deletion replaces the whole, as a generation of its own. */
export function resolveCrdt(current: Current, incoming: Incoming, policy: Resolution, environment: ResolveEnvironment): Resolved {
  const known = knownOperation(current.clock?.ops, incoming, environment.mode)
  if (known !== undefined) return { ...unchanged(current, 'repeated', 'crdt'), ...(known.changed ? { changed: true, clock: { ...(current.clock as ConflictClock), ops: known.ops } } : {}) }
  const before = nodeOf(current, policy)
  const after = next(before, incoming, policy, environment)
  const ops = withOperation(current.clock?.ops, incoming, environment.mode)
  if (after === before && !incoming.remember) return { ...unchanged(current, 'stale', 'crdt'), text: textOf(before), clock: clockOf(current.h, before, ops) }
  const plain = incoming.operation === undefined
  return {
    outcome: plain ? (after === before ? 'stale' : 'written') : 'merged',
    changed: true,
    text: textOf(after),
    clock: clockOf(newest(current.h, incoming), after, ops),
    expiresAt: plain || incoming.expiresAt !== undefined ? incoming.expiresAt : current.expired ? undefined : current.expiresAt,
  }
}

/** The state behind what is stored; made from the value when it was written without one. */
export function nodeOf(current: Pick<Current, 'text' | 'clock' | 'h' | 'expired' | 'expiresAt'>, policy: Resolution): CrdtNode {
  if (current.expired) return removed([current.expiresAt ?? 0, 0, ''])
  if (current.clock?.crdt !== undefined) return current.clock.crdt
  if (current.text === null) return removed(current.h)
  const value = JSON.parse(current.text) as unknown
  try {
    return nodeFrom(value, current.h, policy.crdtType ?? undefined)
  } catch {
    // Written before the policy, and of another type: it is kept until it is assigned.
    return nodeFrom(value, current.h)
  }
}

function next(before: CrdtNode, incoming: Incoming, policy: Resolution, environment: ResolveEnvironment): CrdtNode {
  const type = policy.crdtType ?? undefined
  // With the revision named, or against a clock that cannot be right, the write is later than what it replaces.
  const wins = incoming.replaces === true || !environment.believes(before.g)
  const at: Hlc = wins ? [Math.max(incoming.h[0], before.g[0]), Math.max(incoming.h[1], before.g[1]) + 1, incoming.h[2]] : incoming.h
  const context = { at, replica: environment.replica, type, forced: environment.mode === 'replay' }
  if (incoming.operation !== undefined) return applyOperation(before, incoming.operation, context)
  if (incoming.text === null || incoming.text === undefined) return applyOperation(before, { type: 'unset' }, context)
  return applyOperation(before, { type: 'assign', value: JSON.parse(incoming.text) as unknown }, context)
}

function clockOf(h: Hlc, crdt: CrdtNode, ops: ConflictClock['ops']): ConflictClock {
  return { s: 'crdt', h: h[0] === 0 ? HLC_ZERO : h, crdt, ...(ops === undefined ? {} : { ops }) }
}

function textOf(node: CrdtNode): string | null {
  const value = valueOf(node)
  return value === undefined ? null : canonicalJson(value)
}
