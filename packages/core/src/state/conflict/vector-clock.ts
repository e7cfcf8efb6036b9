import { getOwn, record } from './crdt/record.ts'

/** What has been seen of each node: its newest event. Events of one node are numbered upwards, with gaps. */
export type VectorClock = Readonly<Record<string, number>>

export type VectorOrder = 'equal' | 'before' | 'after' | 'concurrent'

/** How `a` stands to `b`. A node that is missing has 0. */
export function compareVectors(a: VectorClock, b: VectorClock): VectorOrder {
  const aCovers = covers(a, b)
  const bCovers = covers(b, a)
  if (aCovers) return bCovers ? 'equal' : 'after'
  return bCovers ? 'before' : 'concurrent'
}

/** True when `a` has seen everything that `b` has. */
export function covers(a: VectorClock, b: VectorClock): boolean {
  for (const node of Object.keys(b)) if ((getOwn(a, node) ?? 0) < (b[node] as number)) return false
  return true
}

/** The newest event of each node. */
export function mergeVectors(a: VectorClock, b: VectorClock): VectorClock {
  const merged = record(a)
  for (const [node, event] of Object.entries(b)) if ((merged[node] ?? 0) < event) merged[node] = event
  return merged
}
