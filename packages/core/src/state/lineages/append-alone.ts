import type { SqlEngine } from '../../engines/sql/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import type { AppendOp, StoredCounts } from './append-batch.ts'
import { APPEND_DELTA, APPEND_PACK, APPEND_WHOLE } from './lineage-queries.ts'

/** One op of a lineage that is known to exist, by a plain statement; undefined when it needs the large one. */
export async function storeAlone(sql: SqlEngine, identity: TenantIdentity, op: AppendOp): Promise<StoredCounts | undefined> {
  const { tenant } = identity
  const address = [tenant, op.lineage.id, op.id]
  if (op.kind === 'writes') {
    const [first, second] = op.packs
    if (first === undefined || second !== undefined) return undefined
    const { rowCount } = await sql.query(identity, APPEND_PACK, [...address, op.taskId, first.slot, op.taskPath, Buffer.from(first.pack)], { name: 'lineages_append_pack' })
    return { puts: 0, writes: rowCount }
  }
  const check = op.check === 'nothing' ? undefined : (op.check ?? op.base)
  const values = [...address, op.parentId, op.frameId, op.ttlMs ?? null, op.base !== undefined, op.fenced, op.metadata, Buffer.from(op.frame)]
  const { rowCount } =
    check === undefined
      ? await sql.query(identity, APPEND_WHOLE, values, { name: 'lineages_append_whole' })
      : await sql.query(identity, APPEND_DELTA, [...values, check.id, check.frameId], { name: 'lineages_append_delta' })
  return { puts: rowCount, writes: 0 }
}
