import type { Identity } from '../../identity/index.ts'
import type { IsolationLevel, LocalSetting } from './transaction-boundary.ts'

export interface SqlResult<Row> {
  readonly rows: Row[]
  /** Rows changed by INSERT, UPDATE, DELETE; rows returned by SELECT. */
  readonly rowCount: number
}

/**
 * One place to send statements to: inside a transaction or outside.
 *
 * Values come back alike from every engine: int8 and numeric as number (an int8 beyond 2^53 as bigint),
 * timestamptz as Date, json and jsonb parsed, arrays as arrays, bytea as Uint8Array, the rest as text.
 * Values go in as: number, string, boolean, null, Date, Uint8Array, arrays of these; JSON as a string
 * made by the caller, with a cast in the SQL (`$1::jsonb`).
 */
export interface SqlSession {
  /** Runs one statement. With `name` it is prepared once a connection and reused (hot statements). */
  query<Row = Record<string, unknown>>(text: string, values?: readonly unknown[], options?: { name?: string }): Promise<SqlResult<Row>>
  /** Runs a script of several statements without values. */
  exec(script: string): Promise<void>
}

export type PoolName = 'primary' | 'replica' | 'background' | 'analytics'

export interface QueryOptions {
  /** Prepare under this name and reuse; for statements that run often. */
  readonly name?: string
  /**
   * Where it runs. `replica` is for reads that may be a little old: it goes round robin to the replicas that live, and to
   * the primary when there is none. A pool that is not configured is the primary's. @default 'primary'
   */
  readonly pool?: PoolName
  /**
   * With `pool: 'replica'`, a token of `position()`: only a replica that has replayed up to there answers, after a short
   * wait at most; else the primary does. INVALID_ARGUMENT for a token that is none.
   */
  readonly readYourWrites?: string
  /** Cancels the statement after this many milliseconds with TIMEOUT. @default the pool's statement timeout */
  readonly timeoutMs?: number
}

export interface TransactionOptions extends Omit<QueryOptions, 'name'> {
  /** READ UNCOMMITTED is READ COMMITTED in PostgreSQL. @default 'read committed' */
  readonly isolation?: IsolationLevel
  /** @default true on the replica pool, else false */
  readonly readOnly?: boolean
  /**
   * Runs the whole function again after SERIALIZATION_FAILURE, DEADLOCK, or CONNECTION_FAILED before COMMIT was sent: this
   * many tries in all. Never after OUTCOME_UNKNOWN. @default 1
   */
  readonly attempts?: number
  /** Ends the waiting between tries. */
  readonly signal?: AbortSignal
  /** Set until the end of the transaction (`SET LOCAL`); see boundarySettings. */
  readonly settings?: readonly LocalSetting[]
  /** Told of each failure that is followed by another try. */
  readonly onRetry?: (error: unknown, attempt: number) => void
}

/** What this engine, as found when it was opened, can do. Detected, not assumed. */
export interface SqlCapabilities {
  /** server_version_num, e.g. 150018. */
  readonly serverVersion: number
  /** More than one connection: transactions run side by side. False on PGlite, where they queue. */
  readonly concurrentTransactions: boolean
  readonly vector: boolean
  readonly trigram: boolean
  readonly preparedTransactions: boolean
  /** The login role may create roles, so that migrations can make the group roles. */
  readonly createRole: boolean
  /** Statements survive `SET ROLE`, so that row-level security binds even a superuser login. */
  readonly roleSwitch: boolean
}

export interface PoolStatus {
  readonly name: PoolName
  readonly max: number
  readonly open: number
  readonly idle: number
  readonly waiting: number
  /** The name, with a number where there are several: `replica 2`. */
  readonly label: string
  /** The server, without login. */
  readonly address: string
  /** False while calls are sent elsewhere because this server failed. */
  readonly available: boolean
  /** Of the last five minutes: time to get a connection at p95, calls that got none ÷ calls, checks passed ÷ checks. */
  readonly acquireP95Ms: number
  readonly errorRate: number
  readonly healthSuccessRate: number
  /** Since the start: calls that got no connection, statements above the threshold, connections held too long. */
  readonly errors: number
  readonly slowStatements: number
  readonly leaks: number
  readonly lastCheckAt: Date | null
  /** Of a replica: how far it is behind the primary; null elsewhere and before its first answer. */
  readonly replica: ReplicaLag | null
}

export interface ReplicaLag {
  /** Since the last transaction it has replayed; 0 when it has all. */
  readonly lagMs: number
  /** Null while the primary does not answer. */
  readonly lagBytes: number | null
  readonly position: string
}

export interface PoolCheck {
  readonly name: PoolName
  readonly label: string
  readonly address: string
  readonly healthy: boolean
  /** Taking a connection and `SELECT 1`; null when it failed. */
  readonly latencyMs: number | null
  readonly error: string | null
  readonly active: number
  readonly idle: number
}

/**
 * The SQL tier. Every statement runs as an identity: the engine sets role, tenant and actor on the
 * connection, and remembers what it set last, so that a repeated identity costs no extra round trip.
 *
 * Errors: CONNECTION_FAILED, AUTHENTICATION_FAILED, TIMEOUT, DUPLICATE_KEY, CONSTRAINT_VIOLATION,
 * SERIALIZATION_FAILURE, DEADLOCK, PERMISSION_DENIED, INVALID_ARGUMENT, CLOSED, UNKNOWN. A transaction whose connection
 * is lost while it commits is OUTCOME_UNKNOWN: it may or may not have been stored.
 */
export interface SqlEngine {
  readonly kind: 'pglite' | 'postgres'
  readonly capabilities: SqlCapabilities
  query<Row = Record<string, unknown>>(identity: Identity, text: string, values?: readonly unknown[], options?: QueryOptions): Promise<SqlResult<Row>>
  /** Commits when `run` resolves, rolls back when it rejects. Nested calls are not joined: pass the session on. */
  transaction<T>(identity: Identity, run: (session: SqlSession) => Promise<T>, options?: TransactionOptions): Promise<T>
  /** Bulk insert through COPY; returns the number of rows. `table` is schema-qualified, columns are plain names. */
  copyIn(identity: Identity, table: string, columns: readonly string[], rows: Iterable<readonly unknown[]> | AsyncIterable<readonly unknown[]>): Promise<number>
  /** Calls `listener` for each NOTIFY on `channel` until the returned function is called. Survives reconnects. */
  listen(channel: string, listener: (payload: string) => void): Promise<() => Promise<void>>
  /** Round trip of `SELECT 1` in milliseconds. */
  ping(): Promise<number>
  pools(): PoolStatus[]
  /** Takes a connection from each pool and asks it for an answer, within 5 s each. Never rejects. Source: S4 §5.5, §12.3. */
  checkPools(): Promise<PoolCheck[]>
  /**
   * Gives a pool of the primary's server another most of connections, while it is in use. INVALID_ARGUMENT when the server has no room
   * for it, CAPABILITY_MISSING where there is one connection (PGlite). Source: S4 §5.1.
   */
  resizePool(name: PoolName, max: number): Promise<PoolStatus>
  /** The end of the log of the primary: a token for `readYourWrites`, to be taken after a write. */
  position(): Promise<string>
  /** Waits for running statements, then closes. Safe to call twice. */
  close(): Promise<void>
}
