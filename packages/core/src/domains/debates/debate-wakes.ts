import type { SqlEngine } from '../../engines/sql/index.ts'

interface Room {
  /** Runs of this process, by tenant and debate. */
  readonly wakes: Map<string, Set<() => void>>
  readonly stops: Set<() => Promise<unknown>>
}

const rooms = new WeakMap<SqlEngine, Room>()

function roomOf(sql: SqlEngine): Room {
  const room = rooms.get(sql) ?? { wakes: new Map(), stops: new Set() }
  rooms.set(sql, room)
  return room
}

/** Tells the run of this process, if there is one, to look. Runs of other processes look by themselves. */
export function wakeDebate(sql: SqlEngine, tenant: string, debateId: string): void {
  for (const wake of roomOf(sql).wakes.get(`${tenant}/${debateId}`) ?? []) wake()
}

export function onWake(sql: SqlEngine, tenant: string, debateId: string, wake: () => void): () => void {
  const { wakes } = roomOf(sql)
  const name = `${tenant}/${debateId}`
  const all = wakes.get(name) ?? new Set()
  wakes.set(name, all.add(wake))
  return () => {
    all.delete(wake)
    if (all.size === 0 && wakes.get(name) === all) wakes.delete(name)
  }
}

/** `stop` is called when the engine is about to close. */
export function onClose(sql: SqlEngine, stop: () => Promise<unknown>): () => void {
  const { stops } = roomOf(sql)
  stops.add(stop)
  return () => void stops.delete(stop)
}

/** Ends the runs on the engine: calls under way are aborted, and the debates given back. Part of closing. */
export async function closeDebates(sql: SqlEngine): Promise<void> {
  await Promise.all([...roomOf(sql).stops].map((stop) => stop()))
}
