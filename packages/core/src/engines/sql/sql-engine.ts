import type { Identity } from '../../identity/index.ts'

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
  /** @default 'primary' */
  readonly pool?: PoolName
  /** Cancels the statement after this many milliseconds with TIMEOUT. @default the pool's statement timeout */
  readonly timeoutMs?: number
}

export interface TransactionOptions extends Omit<QueryOptions, 'name'> {
  /** READ UNCOMMITTED is READ COMMITTED in PostgreSQL, so it is not offered. @default 'read committed' */
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable'
  readonly readOnly?: boolean
  /** Runs the whole function again after SERIALIZATION_FAILURE or DEADLOCK, this many tries in all. @default 1 */
  readonly attempts?: number
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
}

/**
 * The SQL tier. Every statement runs as an identity: the engine sets role, tenant and actor on the
 * connection, and remembers what it set last, so that a repeated identity costs no extra round trip.
 *
 * Errors: CONNECTION_FAILED, AUTHENTICATION_FAILED, TIMEOUT, DUPLICATE_KEY, CONSTRAINT_VIOLATION,
 * SERIALIZATION_FAILURE, DEADLOCK, PERMISSION_DENIED, INVALID_ARGUMENT, CLOSED, UNKNOWN.
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
  /** Waits for running statements, then closes. Safe to call twice. */
  close(): Promise<void>
}
