import { isCairnError } from '../../../errors/index.ts'
import type { Identity } from '../../../identity/index.ts'
import { SILENT_LOGGER, type Logger } from '../../../observability/index.ts'
import { detectCapabilities } from '../capabilities.ts'
import { copyRows } from '../copy-in.ts'
import { InFlight } from '../in-flight.ts'
import type { ArrayTypes, SqlConnection } from '../sql-connection.ts'
import type { PoolName, PoolStatus, QueryOptions, SqlCapabilities, SqlEngine, SqlResult, SqlSession, TransactionOptions } from '../sql-engine.ts'
import { runTransaction, withRetries, type TransactionMode } from '../sql-transaction.ts'
import { PostgresListener } from './listener.ts'
import { clientConfig, type PostgresEngineOptions } from './postgres-options.ts'
import { PostgresPool, type Lease } from './postgres-pool.ts'

/**
 * Connects to PostgreSQL 15 or newer and finds out what it can do. Pools are made when they are first used.
 * Errors: CONNECTION_FAILED, AUTHENTICATION_FAILED, INVALID_OPTION.
 */
export async function openPostgres(options: PostgresEngineOptions): Promise<PostgresEngine> {
  const engine = new PostgresEngine(options)
  try {
    await engine.start()
  } catch (error) {
    await engine.close()
    throw error
  }
  return engine
}

export class PostgresEngine implements SqlEngine {
  readonly kind = 'postgres'
  capabilities!: SqlCapabilities
  readonly #options: PostgresEngineOptions
  readonly #log: Logger
  readonly #mode: TransactionMode
  readonly #calls = new InFlight()
  readonly #pools = new Map<PoolName, PostgresPool>()
  readonly #arrayTypes: ArrayTypes = new Map()
  readonly #listener: PostgresListener
  #closed: Promise<void> | undefined

  constructor(options: PostgresEngineOptions) {
    this.#options = options
    this.#log = options.log ?? SILENT_LOGGER
    this.#mode = { localIdentity: options.pgbouncer === true, serverTimeout: true }
    this.#listener = new PostgresListener(clientConfig(options, 'listener'), this.#log)
  }

  /** Part of opening; not for callers. */
  async start(): Promise<void> {
    this.capabilities = await this.#lease('primary', (connection) => detectCapabilities(connection, true))
  }

  query<Row>(identity: Identity, text: string, values?: readonly unknown[], options: QueryOptions = {}): Promise<SqlResult<Row>> {
    if (this.#mode.localIdentity) {
      const limit = this.#limit(options)
      return this.#lease(options.pool, (connection) => runTransaction(connection, identity, (session) => session.query<Row>(text, values), limit, this.#mode))
    }
    return this.#lease(options.pool, async (connection) => {
      await connection.identify(identity)
      return connection.query<Row>(text, values, options)
    })
  }

  transaction<T>(identity: Identity, run: (session: SqlSession) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    const limit = this.#limit(options)
    return withRetries(options.attempts ?? 1, () =>
      this.#lease(options.pool, (connection) => runTransaction(connection, identity, run, limit, this.#mode)),
    )
  }

  copyIn(
    identity: Identity,
    table: string,
    columns: readonly string[],
    rows: Iterable<readonly unknown[]> | AsyncIterable<readonly unknown[]>,
  ): Promise<number> {
    return this.#lease('primary', (connection) =>
      runTransaction(connection, identity, () => copyRows(connection, table, columns, rows), this.#limit({}), this.#mode),
    )
  }

  listen(channel: string, listener: (payload: string) => void): Promise<() => Promise<void>> {
    return this.#calls.run(() => this.#listener.listen(channel, listener))
  }

  ping(): Promise<number> {
    return this.#lease('primary', async (connection) => {
      const start = performance.now()
      await connection.query('SELECT 1', [], { name: 'cairn_ping' })
      return performance.now() - start
    })
  }

  pools(): PoolStatus[] {
    return [...this.#pools.values()].map((pool) => pool.status())
  }

  close(): Promise<void> {
    this.#closed ??= this.#shutdown()
    return this.#closed
  }

  async #shutdown(): Promise<void> {
    await this.#calls.close()
    await Promise.all([this.#listener.close(), ...[...this.#pools.values()].map((pool) => pool.close())])
  }

  #lease<T>(name: PoolName | undefined, work: (connection: SqlConnection) => Promise<T>): Promise<T> {
    return this.#calls.run(async () => {
      const { connection, release } = await this.#acquire(name ?? 'primary')
      try {
        return await work(connection)
      } finally {
        release()
      }
    })
  }

  async #acquire(name: PoolName): Promise<Lease> {
    try {
      return await this.#pool(name).acquire()
    } catch (error) {
      const elsewhere = name !== 'primary' && this.#options.pools?.[name]?.url !== undefined
      if (!elsewhere || !isCairnError(error, 'CONNECTION_FAILED')) throw error
      this.#log.warn({ err: error, pool: name }, 'The pool cannot be reached; the primary serves instead')
      return this.#pool('primary').acquire()
    }
  }

  #pool(name: PoolName): PostgresPool {
    let pool = this.#pools.get(name)
    if (pool === undefined) {
      pool = new PostgresPool(name, this.#options, this.#arrayTypes, this.#log)
      this.#pools.set(name, pool)
    }
    return pool
  }

  /** Behind a pooler the time limit of the options cannot be set when connecting. */
  #limit<O extends TransactionOptions>(options: O): O {
    const { statementTimeoutMs } = this.#options
    if (!this.#mode.localIdentity || options.timeoutMs !== undefined || statementTimeoutMs === undefined || statementTimeoutMs === 0) return options
    return { ...options, timeoutMs: statementTimeoutMs }
  }
}
