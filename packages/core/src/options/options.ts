import type { Actor } from '../identity/index.ts'
import type { Logger } from '../observability/index.ts'
import type { StateOptions } from '../state/index.ts'
import type { EventOptions } from './event-options.ts'

export type PoolOptionName = 'primary' | 'replica' | 'background' | 'analytics'

export interface PoolOptions {
  /** Where this pool connects; without it, to the primary. */
  readonly url?: string
  /** User and password of this pool alone (S4 §12.1). */
  readonly user?: string
  readonly password?: string
  /** Most connections. @default 20 primary, 15 replica, 5 background, 10 analytics */
  readonly max?: number
}

/** How to reach PostgreSQL. Give `url`, or the parts. */
export interface PostgresOptions {
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
  readonly events?: Partial<EventOptions>
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
  readonly events: EventOptions
  readonly logger: Logger
  readonly onProgress: (step: string) => void
}
