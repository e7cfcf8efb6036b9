import type { StoredState } from '../state-entry.ts'
import { decodeClock } from './conflict-clock.ts'
import { type CrdtNode, nodeFrom } from './crdt/index.ts'

/** The state behind a stored value; of one written before its policy, the state it will be taken for. */
export function crdtState(stored: StoredState): CrdtNode {
  const clock = stored.clock === undefined ? undefined : decodeClock(stored.clock)
  return clock?.crdt ?? nodeFrom(JSON.parse(stored.text as string), clock?.h ?? [stored.writtenAt, 0, ''])
}
