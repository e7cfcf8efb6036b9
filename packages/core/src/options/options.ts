import type { Actor } from '../identity/index.ts'
import type { Logger } from '../observability/index.ts'
import type { EmbedderOption } from '../embedding/index.ts'
import type { NatsPlacementOptions } from '../engines/nats/index.ts'
import type { PoolScalingOptions } from '../engines/sql/index.ts'
import type { CacheOptions } from './cache-options.ts'
import type { StateOptions } from '../state/index.ts'
import type { EventOptions } from './event-options.ts'
import type { RecallProcessOptions } from './recall-options.ts'
import type { MemoryOptions } from './memory-options.ts'
import type { MessageOptions } from './message-options.ts'
import type { TaskOptions } from './task-options.ts'

export type PoolOptionName = 'primary' | 'replica' | 'background' | 'analytics'

export interface PoolOptions {
  /** Where this pool connects; without it, to the primary. */
  readonly url?: string
  /** Of the replica pool: several servers, whose turn comes round robin. */
  readonly urls?: readonly string[]
  /** User and password of this pool alone (S4 §12.1). */
  readonly user?: string
  readonly password?: string
  /** Most connections. @default 20 primary, 15 replica, 5 background, 10 analytics */
  readonly max?: number
  /** Connections kept when idle. @default 5 primary, 3 replica, 1 background, 2 analytics */
  readonly min?: number
  /** How long a call waits for a free connection. @default 30000 primary, 20000 replica, 60000 background, 45000 analytics */
  readonly acquireTimeoutMs?: number
  /** A connection above `min` that was idle so long is closed. @default 600000, 300000, 1800000, 900000 */
  readonly idleTimeoutMs?: number
  /** An older connection is replaced. @default 3600000, 1800000, 7200000, 3600000 */
  readonly maxLifetimeMs?: number
  /** A connection that was idle for more than a second is tested before it is given out. @default true; false for background */
  readonly testBeforeAcquire?: boolean
  /** Statements that each new connection runs first. */
  readonly afterConnect?: readonly string[]
  /** Of the replica pool: one that is further behind serves no reads. @default no limit */
  readonly maxLagMs?: number
}

/** How to reach PostgreSQL. Give `url`, or the parts. */
export interface PostgresOptions {
  /** With several hosts (`postgres://host1,host2/db`), the one that takes writes is used, also after a failover. */
  readonly url?: string
  /** @default 'localhost' */
  readonly host?: string
  /** @default 5432 */
  readonly port?: number
  /** @default 'mister_smith' */
  readonly database?: string
  readonly user?: string
  readonly password?: string
  /** Folder of the server's unix socket; used instead of host. */
  readonly socketPath?: string
  /** File with the root certificate; the server's certificate is then verified, host name included. */
  readonly sslRootCert?: string
  /** Shown in pg_stat_activity. @default 'agent_data_layer' */
  readonly applicationName?: string
  /** @default 10000 */
  readonly connectTimeoutMs?: number
  /** @default 30000 */
  readonly statementTimeoutMs?: number
  /** Behind a pooler in transaction mode (pgbouncer): identity is set in each transaction, nothing is prepared. @default false */
  readonly pgbouncer?: boolean
  /** Ends the session of a transaction that does nothing for so long. @default 60000 */
  readonly idleInTransactionTimeoutMs?: number
  /** Statements that take longer are counted and logged without their parameters. 0 for none. @default 100 */
  readonly slowStatementMs?: number
  /** So long at most the event loop looks for the answer to a prepared statement that usually comes sooner, instead of sleeping; 0 to sleep always. @default 0.5 */
  readonly stayAwakeMs?: number
  /** A transaction that holds its connection longer is logged with the place that began it. 0 for none. @default 30000 */
  readonly leakAfterMs?: number
  /** Most prepared statements a connection keeps. @default 100 */
  readonly statementCache?: number
  /** How often replicas are asked for their lag and whether they are back. @default 1000 */
  readonly replicaCheckMs?: number
  /** Size of the primary pool by environment (S4 §5.2); what `pools` says beats it. */
  readonly poolTemplate?: 'development' | 'staging' | 'production'
  /**
   * Pools on the primary's server follow their load: they grow while callers wait, within `maxTotal` (of this process) and 80 % of what
   * the server has, and shrink to their own size afterwards. @default false
   */
  readonly scaling?: boolean | PoolScalingOptions
  /** Pools of their own. Without any, ten connections serve all: seven for calls, three kept for maintenance. */
  readonly pools?: Partial<Record<PoolOptionName, PoolOptions>>
}

/** How to reach nats-server. */
export interface NatsOptions {
  /** One or several, `nats://user:password@host:4222`. */
  readonly servers: readonly string[]
  readonly credsFile?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly caCert?: string
  /** Put before bucket and stream names. @default '' */
  readonly prefix?: string
  /** Wished for; the engine takes min(replicas, cluster size). @default 3 */
  readonly replicas?: number
  /** @default 5000 */
  readonly connectTimeoutMs?: number
  /** A request without an answer fails after this. @default 5000 */
  readonly requestTimeoutMs?: number
  /** Most bytes of each bucket; a write beyond it is STORAGE_FULL. @default no limit */
  readonly maxBucketBytes?: number
  /** On which servers of a cluster streams and buckets lie. INVALID_OPTION on a server that stands alone. @default the cluster chooses */
  readonly placement?: NatsPlacementOptions
  /** So long at most the event loop looks for an answer that usually comes sooner, instead of sleeping; 0 to sleep always. @default 0.5 */
  readonly stayAwakeMs?: number
}

/** What `open()` takes. Precedence: this object > environment > file (cairn.config.json) > defaults. */
export interface CairnOptions {
  /** Where the embedded engines keep their data. @default './.cairn' */
  readonly dataDir?: string
  /** A URL or its parts; without it (and without DATABASE_URL or PG_HOST) PGlite is used. */
  readonly postgres?: string | PostgresOptions
  /** A URL or its parts; without it (and without NATS_URL or NATS_SERVERS) LMDB is used. */
  readonly nats?: string | NatsOptions
  /** Whose data the services show; see `cairn.as`. @default 'default' */
  readonly tenant?: string
  /** Who acts. @default { kind: 'system', id: 'cairn' } */
  readonly actor?: Actor
  /** `auto` brings the schema up to date at open; `check` refuses an old schema. @default 'auto' */
  readonly migrate?: 'auto' | 'check'
  readonly state?: Partial<StateOptions>
  readonly cache?: Partial<CacheOptions>
  readonly events?: Partial<EventOptions>
  /** What makes vectors of memories; see docs/reference/recall.md. @default 'auto': the offline model, if it is installed */
  readonly embedder?: EmbedderOption
  readonly recall?: Partial<RecallProcessOptions>
  readonly memory?: MemoryOptions
  /** How long messages between agents are kept. */
  readonly messages?: MessageOptions
  /** How long ended tasks are kept. */
  readonly tasks?: TaskOptions
  /** A pino logger or anything of its shape. @default silent */
  readonly logger?: Logger
  /** Told what a slow first start is doing. */
  readonly onProgress?: (step: string) => void
}

/** Options after resolution: nothing left to guess. Frozen. */
export interface ResolvedOptions {
  readonly dataDir: string
  readonly postgres: PostgresOptions | undefined
  readonly nats: NatsOptions | undefined
  readonly tenant: string
  readonly actor: Actor
  readonly migrate: 'auto' | 'check'
  readonly state: StateOptions
  /** Over the defaults of the cache. */
  readonly cache: Partial<CacheOptions>
  readonly events: EventOptions
  readonly embedder: EmbedderOption
  readonly recall: RecallProcessOptions
  readonly memory: MemoryOptions
  readonly messages: MessageOptions
  readonly tasks: TaskOptions
  readonly logger: Logger
  readonly onProgress: (step: string) => void
}
