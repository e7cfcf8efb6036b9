import type { SqlSession } from '../../engines/sql/index.ts'
import type { CheckpointStore } from './checkpoint-store.ts'
import { type ChainRow, type Delta, compose, rowDelta } from './manifest.ts'
import { CANDIDATES, COLLECT_VALUES, DELETE_CHECKPOINTS, IN_USE, LOCK_ROWS, REWRITE_ROW, SELECT_ROWS } from './prune-queries.ts'

export interface PrunedCheckpoint {
  readonly id: string
  readonly name: string | null
  readonly tags: string[]
  readonly keyCount: number
  readonly createdAt: Date
}

export interface PruneResult {
  readonly agentId: string
  /** What was removed, or would be; newest first. */
  readonly removed: PrunedCheckpoint[]
  readonly kept: number
  /** Values that no checkpoint needs any more and that were removed. */
  readonly valuesRemoved: number
  readonly dryRun: boolean
}

interface CandidateRow extends PrunedCheckpoint {
  readonly chainId: string | null
  readonly position: number | null
  readonly inUse: boolean
}

/**
 * Removes the checkpoints that `choose` names, in one transaction under the lock that new checkpoints take too. The next one
 * kept in a chain takes over what those before it held, so that every kept one loads as before; then the values that nothing
 * names any more go. One that a restore is reading stays.
 */
export function pruneCheckpoints(store: CheckpointStore, tenant: string, agentId: string, choose: (candidates: readonly PrunedCheckpoint[]) => ReadonlySet<string>, dryRun: boolean): Promise<PruneResult> {
  return store.locked(agentId, async (session) => {
    const { rows } = await session.query<CandidateRow>(CANDIDATES, [tenant, agentId])
    const chosen = choose(rows)
    const wanted = rows.filter(({ id, inUse }) => chosen.has(id) && !inUse)
    const busy = dryRun || wanted.length === 0 ? new Set() : await busyOnes(session, tenant, agentId, wanted)
    const removed = wanted.filter(({ id }) => !busy.has(id))
    const shown = removed.map(({ id, name, tags, keyCount, createdAt }) => ({ id, name, tags, keyCount, createdAt }))
    const result = { agentId, removed: shown, kept: rows.length - removed.length, valuesRemoved: 0, dryRun }
    if (dryRun || removed.length === 0) return result
    const freed = await unchain(session, tenant, agentId, rows, new Set(removed.map(({ id }) => id)))
    await session.query(DELETE_CHECKPOINTS, [tenant, agentId, removed.map(({ id }) => id)])
    const { rowCount } = await session.query(COLLECT_VALUES, [tenant, agentId, [...freed]])
    return { ...result, valuesRemoved: rowCount }
  })
}

/** Those of them that a restore has begun to read; none begins to read another until the end of the transaction. */
async function busyOnes(session: SqlSession, tenant: string, agentId: string, wanted: readonly CandidateRow[]): Promise<Set<string>> {
  const ids = wanted.map(({ id }) => id)
  await session.query(LOCK_ROWS, [tenant, agentId, ids])
  return new Set((await session.query<{ id: string }>(IN_USE, [tenant, ids])).rows.map(({ id }) => id))
}

/** Rewrites the rows that follow removed ones; returns the hashes that the removed ones named. */
async function unchain(session: SqlSession, tenant: string, agentId: string, rows: readonly CandidateRow[], removed: ReadonlySet<string>): Promise<Set<string>> {
  const chains = Map.groupBy(rows.filter(({ chainId }) => chainId !== null), ({ chainId }) => chainId as string)
  const freed = new Set<string>()
  for (const chain of chains.values()) {
    chain.sort((a, b) => (a.position as number) - (b.position as number))
    const needed = chain.filter(({ id }, index) => removed.has(id) || (index > 0 && removed.has(chain[index - 1]?.id as string))).map(({ id }) => id)
    if (needed.length === 0) continue
    const { rows: found } = await session.query<ChainRow>(SELECT_ROWS, [tenant, agentId, needed])
    const byId = new Map(found.map((row) => [row.id, row]))
    let carried: Delta | undefined
    let full = false
    for (const { id } of chain) {
      const row = byId.get(id)
      if (row === undefined) continue
      const delta = rowDelta(row)
      if (removed.has(id)) {
        for (const hash of delta.values()) if (hash !== null) freed.add(hash)
        carried = carried === undefined || row.isFull ? delta : compose(carried, delta)
        full ||= row.isFull
      } else if (carried !== undefined) {
        if (!row.isFull) await rewrite(session, tenant, id, compose(carried, delta), full)
        carried = undefined
        full = false
      }
    }
  }
  return freed
}

async function rewrite(session: SqlSession, tenant: string, id: string, delta: Delta, full: boolean): Promise<void> {
  const entries = [...delta].filter(([, hash]) => !full || hash !== null)
  await session.query(REWRITE_ROW, [tenant, id, entries.map(([key]) => key), entries.map(([, hash]) => hash), full])
}
