import { CairnError, isCairnError } from '../errors/index.ts'
import type { SqlSession } from '../engines/sql/index.ts'
import { MAINTENANCE, type TenantIdentity } from '../identity/index.ts'
import { decodeIncoming, replayIncoming } from './conflict/index.ts'
import { keyOf } from './hot-tier.ts'
import type { StateCore } from './state-core.ts'
import type { StateAddress, StoredState } from './state-entry.ts'
import { DROP_BACKLOG, HAS_BACKLOG, TAKE_BACKLOG, WRITE_DIRECT, WRITE_RESOLVED } from './state-queries.ts'

const BATCH = 200

export interface DirectWrite {
  readonly text: string | null
  readonly checksum: string
  readonly writtenAt: number
  readonly expiresAt: number | undefined
  readonly envelope: string
}

interface BacklogRow extends StateAddress {
  readonly id: string
  readonly envelope: string
  readonly deleted: boolean
}

/**
 * Durable writes while the hot tier is down. Each goes to agents.state and to agents.state_backlog in one statement;
 * when the hot tier is back, every one of them is put into it, in order and before it is used again.
 *
 * Why one row a write and not one a key: a direct write counts the row's revision up by one, and each replayed write
 * takes one bucket revision, so afterwards the hot tier's revisions are ahead of every revision given out meanwhile.
 *
 * A write under a conflict policy keeps what the caller meant and not what came of it: it is resolved a second time,
 * against what the hot tier holds by then.
 */
export class Backlog {
  readonly #core: StateCore
  /** Rows that this process cannot resolve, or that the hot tier refuses; they wait for one that can. */
  readonly #leftOut = new Set<string>()
  #replaying: Promise<number> | undefined

  constructor(core: StateCore) {
    this.#core = core
  }

  /** Commits straight to SQL; returns the revision. */
  async write(identity: TenantIdentity, address: StateAddress, write: DirectWrite): Promise<number> {
    const values = [address.tenant, address.agentId, address.key, write.text, write.checksum, write.writtenAt, write.expiresAt ?? null, write.envelope, this.#newest()]
    const { rows } = await this.#core.sql.query<{ version: number }>(identity, WRITE_DIRECT, values, { name: 'write_direct' })
    const version = rows[0]?.version
    if (version === undefined) throw new CairnError('PERMISSION_DENIED', `state ${JSON.stringify(address.key)}: the row belongs to another tenant.`)
    return version
  }

  /** As `write`, if the row is still at `expected` (0: there is none); undefined when it is not. `incoming` is resolved again later. */
  async writeResolved(identity: TenantIdentity, address: StateAddress, stored: StoredState, expected: number, incoming: string): Promise<number | undefined> {
    const values = [address.tenant, address.agentId, address.key, stored.text, stored.checksum, stored.writtenAt, stored.expiresAt ?? null, incoming, expected, stored.clock ?? '{}', this.#newest()]
    const { rows } = await this.#core.sql.query<{ version: number }>(identity, WRITE_RESOLVED, values, { name: 'write_resolved' })
    return rows[0]?.version
  }

  /** What has not been flushed, here or elsewhere, must not come after a write that is made now. */
  #newest(): number {
    return this.#core.hot.revisionOf(this.#core.hot.lastSeen)
  }

  /** What was left out may be resolved now: a merge function was defined. */
  retryLeftOut(): void {
    if (this.#leftOut.size === 0 || !this.#core.hot.available) return
    this.#leftOut.clear()
    void this.replay().catch((error: unknown) => this.#core.log.warn({ err: error }, 'writes that waited for a merge function could not be replayed; tried again at the next start'))
  }

  /** Puts the backlog into the hot tier. The row's id is the operation id, so a crash in between does not apply it twice. */
  async replay(): Promise<number> {
    await this.#replaying?.catch(() => undefined)
    this.#replaying = this.#replayAll().finally(() => {
      this.#replaying = undefined
    })
    return this.#replaying
  }

  async #replayAll(): Promise<number> {
    const { sql } = this.#core
    let total = 0
    for (;;) {
      const { rows: waiting } = await sql.query<{ waiting: boolean }>(MAINTENANCE, HAS_BACKLOG, [[...this.#leftOut]])
      if (waiting[0]?.waiting !== true) return total
      total += await this.#replayBatch()
    }
  }

  async #replayBatch(): Promise<number> {
    const core = this.#core
    const token = core.beginWrite()
    try {
      const replayed = await core.sql.transaction(MAINTENANCE, async (session) => {
        const { rows } = await session.query<BacklogRow>(TAKE_BACKLOG, [BATCH, [...this.#leftOut]])
        const done: { id: string; address: StateAddress; stored: StoredState }[] = []
        for (const row of rows) {
          const stored = await this.#replayRow(session, row)
          if (stored !== undefined) done.push({ id: row.id, address: { tenant: row.tenant, agentId: row.agentId, key: row.key }, stored })
        }
        if (done.length > 0) await session.query(DROP_BACKLOG, [done.map(({ id }) => id)])
        return done
      })
      // SQL may hold another value by now: that of a process that could reach the hot tier all the while.
      for (const { address, stored } of replayed) core.flusher.add({ address, stored, acknowledgedAt: undefined })
      core.endWrite(token)
      return replayed.length
    } catch (error) {
      core.endWrite(token)
      core.uncertain(token.since)
      throw error
    }
  }

  async #replayRow(session: SqlSession, row: BacklogRow): Promise<StoredState | undefined> {
    const { hot, log } = this.#core
    const resolvable = decodeIncoming(row.envelope)
    try {
      if (resolvable === undefined) {
        const revision = row.deleted ? await hot.bucket.delete(keyOf(row), { operationId: row.id }) : await hot.bucket.put(keyOf(row), row.envelope, { operationId: row.id })
        return hot.toStored({ key: keyOf(row), value: row.envelope, revision, deleted: row.deleted }, row)
      }
      return await replayIncoming(this.#core, session, { tenant: row.tenant, agentId: row.agentId, key: row.key }, resolvable.incoming, resolvable.policy)
    } catch (error) {
      if (!isCairnError(error) || error.retryable) throw error
      this.#leftOut.add(row.id)
      log.error({ err: error, agentId: row.agentId, key: row.key }, 'a write that only SQL has cannot be put into the hot tier by this process; it stays in the backlog')
      return undefined
    }
  }
}
