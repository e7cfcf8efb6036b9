import type { SqlSession } from '../../engines/sql/index.ts'
import { REPLACE_KEYS, STATES_OF, TAKE_KEYS } from './tasks-queries.ts'
import type { TaskStatus } from './words.ts'

interface Wanted {
  readonly id: string
  readonly key: string | undefined
  readonly windowMs: number
}

/** The task that has the key already; without a status it is one of the same batch. */
export interface Holder {
  readonly id: string
  readonly status: TaskStatus | undefined
}

/**
 * Takes the keys; returns, for each task whose key is another's, that one. A key is held while its task is unfinished and for `windowMs`
 * after its end. Who asks for a key that is just being enqueued waits for that commit, so that of any number at once one wins.
 */
export async function takeKeys(session: SqlSession, tenant: string, wanted: readonly Wanted[]): Promise<Map<string, Holder>> {
  const holders = new Map<string, Holder>()
  const firsts = new Map<string, Wanted>()
  for (const each of wanted) {
    if (each.key === undefined) continue
    const first = firsts.get(each.key)
    if (first === undefined) firsts.set(each.key, each)
    else holders.set(each.id, { id: first.id, status: undefined })
  }
  if (firsts.size === 0) return holders

  const values = [tenant, [...firsts.keys()], [...firsts.values()].map(({ id }) => id)]
  const { rows } = await session.query<{ key: string; id: string }>(TAKE_KEYS, values, { name: 'tasks_take_keys' })
  const others = rows.filter(({ key, id }) => firsts.get(key)?.id !== id)
  if (others.length === 0) return holders

  const { rows: states } = await session.query<{ id: string; status: TaskStatus; finishedMsAgo: number }>(STATES_OF, [tenant, others.map(({ id }) => id)])
  const byId = new Map(states.map((state) => [state.id, state]))
  const free: Wanted[] = []
  for (const { key, id } of others) {
    const mine = firsts.get(key) as Wanted
    const state = byId.get(id)
    if (state !== undefined && state.finishedMsAgo <= mine.windowMs) holders.set(mine.id, { id, status: state.status })
    else free.push(mine)
  }
  if (free.length > 0) await session.query(REPLACE_KEYS, [tenant, free.map(({ key }) => key), free.map(({ id }) => id)])
  // Duplicates in the batch follow the first of their key.
  for (const [id, holder] of holders) {
    const leader = holders.get(holder.id)
    if (leader !== undefined) holders.set(id, leader)
  }
  return holders
}
