import type { DirtyState } from '../flusher.ts'
import type { StateCore } from '../state-core.ts'
import { addressId } from '../state-entry.ts'

/** What this process has acknowledged and SQL may not have, by agent; the newest revision of each key, the oldest acknowledgement. */
export interface UnflushedAgent {
  readonly tenant: string
  readonly agentId: string
  readonly keys: Map<string, DirtyState>
  /** performance.now() of the oldest acknowledgement; undefined when all were found by recovery. */
  oldest: number | undefined
}

/** Walks over all dirty keys of the process: at most `maxDirtyKeys`. */
export function unflushedByAgent(core: StateCore, only?: string): Map<string, UnflushedAgent> {
  const agents = new Map<string, UnflushedAgent>()
  for (const dirty of core.flusher.unflushed()) {
    const { tenant, agentId } = dirty.address
    if (only !== undefined && agentId !== only) continue
    let agent = agents.get(agentId)
    if (agent === undefined) agents.set(agentId, (agent = { tenant, agentId, keys: new Map(), oldest: undefined }))
    const id = addressId(dirty.address)
    const known = agent.keys.get(id)
    if (known === undefined || known.stored.revision < dirty.stored.revision) agent.keys.set(id, dirty)
    if (dirty.acknowledgedAt !== undefined && (agent.oldest === undefined || dirty.acknowledgedAt < agent.oldest)) agent.oldest = dirty.acknowledgedAt
  }
  return agents
}
