import { canonicalJson } from '../../canonical-json.ts'
import { compareHlc } from '../hlc.ts'
import type { CounterNode, CrdtNode, Dot, MapNode, SetNode } from './crdt-types.ts'
import { getOwn, record } from './record.ts'

const RANK = { x: 0, r: 1, c: 2, s: 3, m: 4 } as const

/**
 * The join of two states: commutative, associative, idempotent (tested as such). The later generation counts; within
 * one generation a tombstone gives way to a value, and two types (which only bad input makes) to one of them.
 */
export function mergeNodes(a: CrdtNode, b: CrdtNode): CrdtNode {
  const order = compareHlc(a.g, b.g) || RANK[a.t] - RANK[b.t]
  if (order !== 0) return order > 0 ? a : b
  switch (a.t) {
    case 'x':
      return a
    case 'r':
      return canonicalJson(a.v) >= canonicalJson((b as typeof a).v) ? a : b
    case 'c':
      return { t: 'c', g: a.g, p: maxima(a.p, (b as CounterNode).p), n: maxima(a.n, (b as CounterNode).n) }
    case 's':
      return mergeSets(a, b as SetNode)
    case 'm':
      return mergeMaps(a, b as MapNode)
  }
}

export function maxima(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const merged = record(a)
  for (const [replica, n] of Object.entries(b)) if ((merged[replica] ?? -1) < n) merged[replica] = n
  return merged
}

function mergeMaps(a: MapNode, b: MapNode): MapNode {
  const entries = record(a.e)
  for (const [name, node] of Object.entries(b.e)) {
    const own = entries[name]
    entries[name] = own === undefined ? node : mergeNodes(own, node)
  }
  return { t: 'm', g: a.g, e: entries }
}

function mergeSets(a: SetNode, b: SetNode): SetNode {
  const elements = record<readonly Dot[]>()
  for (const text of new Set([...Object.keys(a.e), ...Object.keys(b.e)])) {
    const inA = getOwn(a.e, text) ?? []
    const inB = getOwn(b.e, text) ?? []
    // A dot stays when both have it, or when the side without it has not seen it yet.
    const kept = [
      ...inA.filter((dot) => has(inB, dot) || dot[1] > (getOwn(b.vv, dot[0]) ?? 0)),
      ...inB.filter((dot) => !has(inA, dot) && dot[1] > (getOwn(a.vv, dot[0]) ?? 0)),
    ]
    if (kept.length > 0) elements[text] = kept.sort(byDot)
  }
  return { t: 's', g: a.g, vv: maxima(a.vv, b.vv), e: elements }
}

function has(dots: readonly Dot[], [replica, number]: Dot): boolean {
  return dots.some((dot) => dot[0] === replica && dot[1] === number)
}

function byDot(a: Dot, b: Dot): number {
  if (a[0] !== b[0]) return a[0] < b[0] ? -1 : 1
  return a[1] - b[1]
}
