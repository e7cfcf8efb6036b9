import { addressOf } from '../hot-tier.ts'
import type { DirtyState } from '../flusher.ts'
import type { StateCore } from '../state-core.ts'
import { addressId } from '../state-entry.ts'
import { unflushedByAgent } from './unflushed.ts'

export interface FlushResult {
  readonly agentId: string
  /** Keys written, deletions included. */
  readonly flushed: number
  readonly durationMs: number
}

/**
 * One statement, so one transaction, for all dirty keys of an agent: all of them are in SQL afterwards, or none is and all
 * stay dirty. A key that is written while it runs stays dirty at its new revision (S4 §4.2).
 */
export async function flushAgent(core: StateCore, tenant: string, agentId: string, timeoutMs?: number): Promise<FlushResult> {
  const started = performance.now()
  const dirty = await dirtyOf(core, tenant, agentId)
  if (dirty.length === 0) return { agentId, flushed: 0, durationMs: performance.now() - started }
  await core.flusher.writeTogether(dirty, timeoutMs)
  core.flusher.settled(dirty, started)
  return { agentId, flushed: dirty.length, durationMs: performance.now() - started }
}

async function dirtyOf(core: StateCore, tenant: string, agentId: string): Promise<DirtyState[]> {
  const known = unflushedByAgent(core, agentId).get(agentId)?.keys ?? new Map<string, DirtyState>()
  // More was acknowledged than the list in memory holds: the hot tier has it.
  if (core.unsure && core.hot.available) {
    for await (const entry of core.hot.bucket.list([tenant, agentId])) {
      const address = addressOf(entry.key)
      const stored = core.hot.toStored(entry, address)
      const id = addressId(address)
      if ((known.get(id)?.stored.revision ?? 0) < stored.revision) known.set(id, { address, stored, acknowledgedAt: undefined })
    }
  }
  return [...known.values()]
}
