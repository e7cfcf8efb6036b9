import { LRUCache } from 'lru-cache'
import type { KvEngine } from '../../engines/kv/index.ts'
import type { SqlEngine, SqlSession } from '../../engines/sql/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import { type AppendOp, type AppendOutcome, type Bundle, type BundleOutcome, appendBatch, bundleBytes, bundleKeys, toBundles } from './append-batch.ts'
import { ContentCache } from './content-cache.ts'
import { GroupQueue } from './group-queue.ts'
import { LineageJournal } from './lineage-journal.ts'
import { SWEEP_EVERY_MS, sweepExpired } from './sweep.ts'
import { type ReadOp, type StoredCheckpoint, readBatch } from './read-batch.ts'

const CACHE_BYTES = 64 * 1024 * 1024
const LANES = 2
const MOST_OPS = 128
const MOST_BYTES = 4 * 1024 * 1024
const TENANTS_AT_ONCE = 1_000

interface TenantQueues {
  readonly appends: GroupQueue<Bundle, BundleOutcome>
  readonly reads: GroupQueue<ReadOp, StoredCheckpoint | undefined>
}

/** What the lineages of all tenants of this process share: statements, the contents in memory, who is writing what. */
export class LineageCore {
  readonly sql: SqlEngine
  readonly journal: LineageJournal
  readonly log: Logger
  readonly cache = new ContentCache(CACHE_BYTES)
  /** Puts under way, by lineage and checkpoint: who builds on one waits for it. */
  readonly underWay = new Map<string, Promise<unknown>>()
  readonly #queues = new LRUCache<string, TenantQueues>({ max: TENANTS_AT_ONCE })
  readonly #sweeper: NodeJS.Timeout
  readonly #lineages = new LRUCache<string, true>({ max: 200_000 })

  constructor(sql: SqlEngine, kv: KvEngine, log: Logger) {
    this.sql = sql
    this.journal = new LineageJournal({ kv, log, append: (tenant, ops) => this.appendAll(tenant, ops) })
    this.#sweeper = setInterval(() => void this.sweep(undefined).catch((error: unknown) => log.debug({ err: error }, 'expired checkpoints could not be removed and will be tried again')), SWEEP_EVERY_MS)
    this.#sweeper.unref()
    this.log = log
  }

  async append(tenant: string, op: AppendOp): Promise<AppendOutcome> {
    return (await this.#of(tenant).appends.submit([op]))[0] as AppendOutcome
  }

  /** Ops of one lineage, in their order. */
  async appendAll(tenant: string, ops: readonly AppendOp[]): Promise<readonly AppendOutcome[]> {
    const outcomes: AppendOutcome[] = []
    for (const bundle of toBundles(ops)) outcomes.push(...(await this.#of(tenant).appends.submit(bundle)))
    return outcomes
  }

  read(tenant: string, op: ReadOp): Promise<StoredCheckpoint | undefined> {
    return this.#of(tenant).reads.submit(op)
  }

  /** Statements are shared by all callers of a tenant, so they act for none of them. */
  identity(tenant: string): TenantIdentity {
    return { role: 'application', tenant, actor: { kind: 'system', id: 'lineages' } }
  }

  forget(lineageIds: readonly string[], tenant: string): void {
    for (const id of lineageIds) this.#lineages.delete(`${tenant}\n${id}`)
  }

  /** Removes expired checkpoints of a tenant, or of all; resolves with their number. */
  sweep(tenant: string | undefined): Promise<number> {
    return sweepExpired(this.sql, tenant)
  }

  /** Lets what is on its way end. */
  async close(): Promise<void> {
    clearInterval(this.#sweeper)
    await this.journal.close()
    for (const queues of this.#queues.values()) await Promise.all([queues.appends.drained(), queues.reads.drained()])
  }

  #of(tenant: string): TenantQueues {
    let queues = this.#queues.get(tenant)
    if (queues === undefined) {
      const identity = this.identity(tenant)
      const known = {
        has: (id: string) => this.#lineages.has(`${tenant}\n${id}`),
        add: (id: string) => void this.#lineages.set(`${tenant}\n${id}`, true),
        delete: (id: string) => void this.#lineages.delete(`${tenant}\n${id}`),
      }
      const session: Pick<SqlSession, 'query'> = { query: (text, values, options) => this.sql.query(identity, text, values, options) }
      const limits = { lanes: LANES, maxOps: MOST_OPS, maxBytes: MOST_BYTES }
      queues = {
        appends: new GroupQueue({ ...limits, bytesOf: bundleBytes, keysOf: bundleKeys, run: (bundles) => appendBatch(this.sql, identity, known, bundles) }),
        reads: new GroupQueue({ ...limits, bytesOf: () => 0, run: (ops) => readBatch(session, tenant, ops) }),
      }
      this.#queues.set(tenant, queues)
    }
    return queues
  }
}
