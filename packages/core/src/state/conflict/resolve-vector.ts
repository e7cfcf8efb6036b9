import { CairnError } from '../../errors/index.ts'
import type { Sibling } from './conflict-clock.ts'
import { getOwn, record } from './crdt/index.ts'
import { compareHlc } from './hlc.ts'
import type { Resolution } from './policy-types.ts'
import { type Current, type Incoming, type ResolveEnvironment, type Resolved, laterEnd, newest, sideOf, unchanged } from './resolution.ts'
import { type VectorClock, covers, mergeVectors } from './vector-clock.ts'

/**
 * A write that knew of the stored value replaces it. One that did not is merged with it, by the policy's function, or
 * kept beside it. The writes of one node are in order: each knows of
 * those before it, unless its caller named what it knew.
 */
export function resolveVector(current: Current, incoming: Incoming, policy: Resolution, environment: ResolveEnvironment): Resolved {
  const node = incoming.h[2]
  const known = vectorOf(current)
  const own = getOwn(known, node) ?? 0
  if (incoming.replaces !== true && own >= incoming.event) return unchanged(current, own === incoming.event ? 'repeated' : 'stale', 'vector')
  const context = incoming.exact === true ? incoming.context : mergeVectors(incoming.context, record({ [node]: own }))
  const all = mergeVectors(mergeVectors(known, incoming.context), record({ [node]: incoming.event }))
  const fresh: Sibling = { t: incoming.text ?? null, n: [node, incoming.event], h: incoming.h }
  const h = newest(current.h, incoming)
  if (incoming.replaces === true || covers(context, known)) {
    return { outcome: 'written', changed: true, text: fresh.t, clock: { s: 'vector', h, vv: bounded(all, [fresh]), sib: [fresh] }, expiresAt: incoming.expiresAt }
  }
  const beside = siblingsOf(current).filter(({ n }) => n[1] > (getOwn(context, n[0]) ?? 0))
  const expiresAt = laterEnd(current.expiresAt, incoming.expiresAt)
  if (policy.merge !== null) {
    const merged = [...beside, fresh].sort(byTime).reduce((one, other) => joined(one, other, policy.merge as string, environment))
    return { outcome: 'merged', changed: true, text: merged.t, clock: { s: 'vector', h, vv: bounded(all, [fresh]), sib: [{ ...merged, n: fresh.n }] }, expiresAt }
  }
  const values = [...beside, fresh].sort(byTime)
  if (values.length > policy.maxSiblings && environment.mode !== 'replay') {
    throw new CairnError('VERSION_CONFLICT', `state ${JSON.stringify(environment.where.key)}: ${beside.length} values stand side by side already and may be ${policy.maxSiblings}. Read the key, make one value of them, and write it with the entry's context.`, {
      details: { ...environment.where, siblings: beside.length },
    })
  }
  // The newest is shown as the value; a deletion only when nothing else is left.
  const shown = values.findLast(({ t }) => t !== null) ?? fresh
  return { outcome: values.length > 1 ? 'merged' : 'written', changed: true, text: shown.t, clock: { s: 'vector', h, vv: bounded(all, values), sib: values }, expiresAt }
}

/** Nodes that a value remembers. Each process is one, so that without a bound a key would grow with every start. */
export const MOST_NODES = 128

/**
 * Forgets those that wrote longest ago, but for those of the values that are held: what they wrote is known to a later write, and
 * whoever does not know of that is told apart by it.
 */
function bounded(vv: VectorClock, held: readonly Sibling[]): VectorClock {
  const nodes = Object.keys(vv)
  if (nodes.length <= MOST_NODES) return vv
  const needed = new Set(held.map(({ n }) => n[0]))
  const event = (node: string): number => getOwn(vv, node) ?? 0
  nodes.sort((a, b) => Number(needed.has(b)) - Number(needed.has(a)) || event(b) - event(a))
  const kept = record<number>()
  for (const node of nodes.slice(0, Math.max(MOST_NODES, needed.size))) kept[node] = event(node)
  return kept
}

/** Of a value without vector clock: the one write that made it. */
export function vectorOf({ clock, h }: Pick<Current, 'clock' | 'h'>): VectorClock {
  if (clock?.vv !== undefined) return clock.vv
  return h[0] === 0 ? record() : record({ [h[2]]: h[0] })
}

function siblingsOf(current: Current): readonly Sibling[] {
  if (current.clock?.sib !== undefined && !current.expired) return current.clock.sib
  return current.h[0] === 0 || current.expired ? [] : [{ t: current.text, n: [current.h[2], current.h[0]], h: current.h }]
}

/** A deletion gives way to a value that did not know of it. */
function joined(one: Sibling, other: Sibling, merge: string, environment: ResolveEnvironment): Sibling {
  if (one.t === null || other.t === null) return other.t === null ? one : other
  return { ...other, t: environment.merges.run(merge, sideOf(one.t, one.h), sideOf(other.t, other.h), environment.where) }
}

function byTime(a: Sibling, b: Sibling): number {
  return compareHlc(a.h, b.h)
}
