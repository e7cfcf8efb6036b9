import { CairnError } from '../errors/index.ts'
import type { SqlEngine } from '../engines/sql/index.ts'
import { MAINTENANCE, type TenantIdentity } from '../identity/index.ts'
import { type HotTier, keyOf } from './hot-tier.ts'
import type { StateAddress } from './state-entry.ts'
import { DROP_BACKLOG, HAS_BACKLOG, TAKE_BACKLOG, WRITE_DIRECT } from './state-queries.ts'

const BATCH = 200

export interface DirectWrite {
  readonly text: string | null
  readonly checksum: string
  readonly writtenAt: number
  readonly expiresAt: number | undefined
  readonly envelope: string
}

/**
 * Durable writes while the hot tier is down. Each goes to agents.state and to agents.state_backlog in one statement;
 * when the hot tier is back, every one of them is put into it, in order and before it is used again.
 *
 * Why one row a write and not one a key: a direct write counts the row's revision up by one, and each replayed write
 * takes one bucket revision, so afterwards the hot tier's revisions are ahead of every revision given out meanwhile.
 */
export class Backlog {
  readonly #sql: SqlEngine
  readonly #hot: HotTier

  constructor(sql: SqlEngine, hot: HotTier) {
    this.#sql = sql
    this.#hot = hot
  }

  /** Commits straight to SQL; returns the revision. */
  async write(identity: TenantIdentity, address: StateAddress, write: DirectWrite): Promise<number> {
    const values = [address.tenant, address.agentId, address.key, write.text, write.checksum, write.writtenAt, write.expiresAt ?? null, write.envelope]
    const { rows } = await this.#sql.query<{ version: number }>(identity, WRITE_DIRECT, values, { name: 'write_direct' })
    const version = rows[0]?.version
    if (version === undefined) throw new CairnError('PERMISSION_DENIED', `state ${JSON.stringify(address.key)}: the row belongs to another tenant.`)
    return version
  }

  /** Puts the backlog into the hot tier. The row's id is the operation id, so a crash in between does not apply it twice. */
  async replay(): Promise<number> {
    let total = 0
    for (;;) {
      const { rows: waiting } = await this.#sql.query<{ waiting: boolean }>(MAINTENANCE, HAS_BACKLOG)
      if (waiting[0]?.waiting !== true) return total
      total += await this.#sql.transaction(MAINTENANCE, async (session) => {
        const { rows } = await session.query<{ id: string; tenant: string; agentId: string; key: string; envelope: string; deleted: boolean }>(TAKE_BACKLOG, [BATCH])
        for (const row of rows) {
          if (row.deleted) await this.#hot.bucket.delete(keyOf(row), { operationId: row.id })
          else await this.#hot.bucket.put(keyOf(row), row.envelope, { operationId: row.id })
        }
        if (rows.length > 0) await session.query(DROP_BACKLOG, [rows.map((row) => row.id)])
        return rows.length
      })
    }
  }
}
