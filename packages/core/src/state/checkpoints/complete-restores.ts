import { isCairnError } from '../../errors/index.ts'
import { MAINTENANCE, type TenantIdentity } from '../../identity/index.ts'
import { snapshotAgent } from '../agent-snapshot.ts'
import type { StateCore } from '../state-core.ts'
import { CheckpointStore } from './checkpoint-store.ts'
import { CLAIM_RESTORE, END_RESTORE, OPEN_RESTORES } from './restore-queries.ts'
import { WRITES_AT_ONCE, inBatches, mayBeCompleted, planRestore, restoresUnderWay, revisionAt, writeIfUnchanged } from './restore-state.ts'

interface OpenRestore {
  readonly tenant: string
  readonly id: string
  readonly agentId: string
  readonly checkpointId: string
  readonly writerId: string
  readonly kvRevision: number
  readonly kvEpoch: string
}

/**
 * Completes restores that were interrupted, of all tenants: keys that nobody has written since the restore began get the
 * checkpoint's value; the others keep theirs. One process takes each. Resolves with the number completed; a failure is logged.
 */
export async function completeRestores(core: StateCore): Promise<number> {
  const { rows } = await core.sql.query<OpenRestore>(MAINTENANCE, OPEN_RESTORES, [core.writerId, core.options.deadAfterMs], { pool: 'background' })
  const active = restoresUnderWay(core)
  let completed = 0
  for (const row of rows) {
    if (active.has(row.id)) continue
    active.add(row.id)
    try {
      if (await complete(core, row)) completed++
    } catch (error) {
      core.log.error({ err: error, restoreId: row.id, agentId: row.agentId, checkpointId: row.checkpointId }, 'an interrupted restore could not be completed')
    } finally {
      active.delete(row.id)
    }
  }
  return completed
}

async function complete(core: StateCore, row: OpenRestore): Promise<boolean> {
  const identity: TenantIdentity = { role: 'application', tenant: row.tenant, actor: { kind: 'system', id: 'restore' } }
  if ((await core.sql.query(identity, CLAIM_RESTORE, [row.tenant, row.id, row.writerId, core.writerId])).rowCount === 0) return false
  const end = (): Promise<unknown> => core.sql.query(identity, END_RESTORE, [row.tenant, row.id])
  try {
    const { texts } = await new CheckpointStore(core, identity).load(row.checkpointId)
    const since = await revisionAt(core, row.kvRevision, row.kvEpoch)
    const now = await snapshotAgent(core, row.tenant, row.agentId, () => true)
    const { writes } = planRestore(now, { agentId: row.agentId, checkpointId: row.checkpointId, texts })
    const open = writes.filter(({ before }) => before === undefined || before.revision <= since)
    await inBatches(open, WRITES_AT_ONCE, (write) =>
      // Somebody was faster: theirs counts.
      writeIfUnchanged(core, identity, row.agentId, write).catch((error: unknown) => {
        if (!isCairnError(error, 'VERSION_CONFLICT')) throw error
      }),
    )
    await end()
    core.log.info({ agentId: row.agentId, checkpointId: row.checkpointId, keys: open.length, leftAlone: writes.length - open.length }, 'completed a restore that was interrupted')
    return true
  } catch (error) {
    if (isCairnError(error) && !mayBeCompleted(error)) await end()
    throw error
  }
}
