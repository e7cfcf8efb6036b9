import { invalid } from './lineage-id.ts'
import { type Lineage, checkPart } from './lineage-id.ts'
import { DELETE_EMPTY_THREADS, SELECT_LINEAGE, SELECT_LINEAGES, SELECT_OF_RUNS } from './lineage-queries.ts'
import type { PruneOptions, LineagePruneResult } from './lineage-types.ts'
import { loadMany } from './load-many.ts'
import { inTransaction, removeCheckpoints } from './rewrite.ts'
import type { SpaceContext } from './space-context.ts'

interface Row {
  id: string
  parentId: string
  isDelta: boolean
  createdAt: Date
  metadata: string
}

export async function pruneThreads(space: SpaceContext, options: PruneOptions): Promise<LineagePruneResult> {
  const { keepLast, olderThan, threads } = options
  for (const thread of threads) checkPart('thread', thread)
  if (keepLast === undefined && olderThan === undefined) throw invalid('keepLast', 'say what stays (keepLast) or what goes (olderThan); deleteThread removes a thread.')
  if (keepLast !== undefined && (!Number.isInteger(keepLast) || keepLast < 0)) throw invalid('keepLast', `${String(keepLast)} is not a whole number from 0 on.`)
  if (olderThan !== undefined && !(olderThan instanceof Date && Number.isFinite(olderThan.getTime()))) throw invalid('olderThan', 'it is not a date.')
  const total = { removed: 0, rewritten: 0 }
  for (const lineage of await lineagesOf(space, threads)) {
    const { rows } = await space.core.sql.query<Row>(space.core.identity(space.tenant), SELECT_LINEAGE, [space.tenant, lineage.id])
    const goes = (row: Row, rank: number): boolean => (keepLast === undefined || rank >= keepLast) && (olderThan === undefined || row.createdAt < olderThan)
    const doomed = new Set(rows.filter(goes).map(({ id }) => id))
    if (doomed.size > 0 && options.replayed !== undefined) await spare(space, lineage, rows, doomed, options.replayed)
    if (doomed.size > 0) add(total, await remove(space, lineage, [...doomed]))
  }
  return total
}

/** Removes the checkpoints that these runs made, with their writes. */
export async function removeRuns(space: SpaceContext, runIds: readonly string[]): Promise<LineagePruneResult> {
  const total = { removed: 0, rewritten: 0 }
  const { rows } = await space.core.sql.query<{ lineage: string; thread: string; path: string; ids: string[] }>(space.core.identity(space.tenant), SELECT_OF_RUNS, [space.tenant, space.namespace, runIds])
  for (const { lineage: id, thread, path, ids } of rows) add(total, await remove(space, { id, namespace: space.namespace, thread, path }, ids))
  return total
}

export async function lineagesOf(space: SpaceContext, threads: readonly string[]): Promise<Lineage[]> {
  const { rows } = await space.core.sql.query<{ lineage: string; thread: string; path: string }>(space.core.identity(space.tenant), SELECT_LINEAGES, [space.tenant, space.namespace, threads])
  return rows.map(({ lineage, thread, path }) => ({ id: lineage, namespace: space.namespace, thread, path }))
}

async function remove(space: SpaceContext, lineage: Lineage, ids: readonly string[]): Promise<LineagePruneResult> {
  const rewritten = await inTransaction(space, async (session) => {
    const count = await removeCheckpoints(space, lineage, session, ids)
    await session.query(DELETE_EMPTY_THREADS, [space.tenant, [lineage.id]])
    return count
  })
  space.core.forget([lineage.id], space.tenant)
  return { removed: ids.length, rewritten }
}

/** Takes out of `doomed` the ancestors whose writes make up the state of a checkpoint that stays. */
async function spare(space: SpaceContext, lineage: Lineage, rows: readonly Row[], doomed: Set<string>, replayed: (metadata: string) => readonly string[]): Promise<void> {
  const parents = new Map(rows.map((row) => [row.id, row.parentId]))
  for (const row of rows) {
    if (doomed.has(row.id)) continue
    const open = new Set(replayed(row.metadata))
    let id = row.id
    while (open.size > 0 && parents.has(id)) {
      const [checkpoint] = await loadMany(space, lineage, [id])
      for (const name of open) if (checkpoint === undefined || checkpoint.channels.has(name)) open.delete(name)
      doomed.delete(id)
      id = parents.get(id) as string
    }
  }
}

function add(total: { removed: number; rewritten: number }, { removed, rewritten }: LineagePruneResult): void {
  total.removed += removed
  total.rewritten += rewritten
}
