import { CairnError, isCairnError } from '../../../errors/index.ts'
import type { Identity } from '../../../identity/index.ts'
import { SILENT_LOGGER, type Logger } from '../../../observability/index.ts'
import { detectCapabilities } from '../capabilities.ts'
import { copyRows } from '../copy-in.ts'
import { HeldConnections } from '../held-connections.ts'
import { InFlight } from '../in-flight.ts'
import { SlowStatements } from '../slow-statements.ts'
import type { ArrayTypes, SqlConnection } from '../sql-connection.ts'
import type { PoolCheck, PoolName, PoolStatus, QueryOptions, SqlCapabilities, SqlEngine, SqlResult, SqlSession, TransactionOptions } from '../sql-engine.ts'
import { runTransaction, withReruns, type TransactionMode } from '../sql-transaction.ts'
import { checkPool } from './check-pool.ts'
import { checkBudget } from './connection-budget.ts'
import { PostgresListener } from './listener.ts'
import { clientConfigs, hasOwnPool, isElsewhere, poolOptions, type PostgresEngineOptions } from './postgres-options.ts'
import { PostgresPool, type Lease } from './postgres-pool.ts'
import { PoolScaler } from './pool-scaler.ts'
import { END_OF_LOG } from './replica-queries.ts'
import { readOnReplica } from './replica-reads.ts'
import { ReplicaSet } from './replica-set.ts'
import { ServerChoice } from './server-choice.ts'

const SLOW_STATEMENT_MS = 100
const LEAK_AFTER_MS = 30_000
const REPLICA_CHECK_MS = 1_000
const POOLS: readonly PoolName[] = ['primary', 'replica', 'background', 'analytics']

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
  readonly #replicas: ReplicaSet | undefined
  readonly #primaryServers: ServerChoice
  readonly #arrayTypes: ArrayTypes = new Map()
  readonly #slow: SlowStatements
  readonly #held: HeldConnections
  readonly #listener: PostgresListener
  readonly #scaler: PoolScaler
  #closed: Promise<void> | undefined

  constructor(options: PostgresEngineOptions) {
    for (const name of POOLS) poolOptions(options, name)
    this.#options = options
    this.#log = options.log ?? SILENT_LOGGER
    this.#mode = { localIdentity: options.pgbouncer === true, serverTimeout: true }
    this.#slow = new SlowStatements(options.slowStatementMs ?? SLOW_STATEMENT_MS, this.#log)
    this.#held = new HeldConnections(options.leakAfterMs ?? LEAK_AFTER_MS, this.#log)
    this.#primaryServers = new ServerChoice(clientConfigs(options, 'primary'))
    const listening = this.#primaryServers.alike(clientConfigs(options, 'listener'))
    this.#listener = new PostgresListener(() => listening.current, this.#log)
    this.#replicas = isElsewhere(options, 'replica') ? this.#makeReplicas() : undefined
    const here = (): PostgresPool[] => [...this.#pools.values()].filter(({ name }) => !isElsewhere(options, name))
    this.#scaler = new PoolScaler({ pools: here, server: () => this.#primaryServers.current, log: this.#log }, typeof options.scaling === 'object' ? options.scaling : {})
  }

  /** Part of opening; not for callers. */
  async start(): Promise<void> {
    this.capabilities = await this.#lease('primary', async (connection) => {
      // A pooler has its own limits, and hides those of the server.
      if (this.#options.pgbouncer !== true) await checkBudget(connection, this.#options, this.#log)
      return detectCapabilities(connection, true)
    })
    void this.#replicas?.check()
    const { scaling = false, pgbouncer } = this.#options
    if (scaling !== false && pgbouncer !== true) this.#scaler.start()
  }

  query<Row>(identity: Identity, text: string, values?: readonly unknown[], options: QueryOptions = {}): Promise<SqlResult<Row>> {
    if (this.#mode.localIdentity) {
      const limit = { ...this.#limit(options), readOnly: options.pool === 'replica' }
      return this.#route(options, (connection) => runTransaction(connection, identity, (session) => session.query<Row>(text, values), limit, this.#mode))
    }
    return this.#route(options, async (connection) => {
      await connection.identify(identity)
      return connection.query<Row>(text, values, options)
    })
  }

  transaction<T>(identity: Identity, run: (session: SqlSession) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    const limit = this.#limit({ readOnly: options.pool === 'replica', ...options })
    const taken = this.#held.place()
    return withReruns(options, () => this.#route(options, (connection) => runTransaction(connection, identity, run, limit, this.#mode), taken))
  }

  copyIn(
    identity: Identity,
    table: string,
    columns: readonly string[],
    rows: Iterable<readonly unknown[]> | AsyncIterable<readonly unknown[]>,
  ): Promise<number> {
    const copy = (connection: SqlConnection) => runTransaction(connection, identity, () => copyRows(connection, table, columns, rows), this.#limit({}), this.#mode)
    return this.#lease('primary', copy, this.#held.place())
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

  async position(): Promise<string> {
    const { rows } = await this.#lease('primary', (connection) => connection.query<{ position: string }>(END_OF_LOG, [], { name: 'cairn_end_of_log' }))
    return rows[0]?.position ?? '0/0'
  }

  pools(): PoolStatus[] {
    return [...[...this.#pools.values()].map((pool) => pool.status()), ...(this.#replicas?.status() ?? [])]
  }

  checkPools(): Promise<PoolCheck[]> {
    return this.#calls.run(() => {
      const named = POOLS.filter((name) => hasOwnPool(this.#options, name))
      const pools = named.flatMap((name) => (name === 'replica' && this.#replicas !== undefined ? this.#replicas.pools : [this.#pool(name)]))
      return Promise.all(pools.map(checkPool))
    })
  }

  resizePool(name: PoolName, max: number): Promise<PoolStatus> {
    return this.#calls.run(async () => {
      if (!Number.isInteger(max) || max < 1) throw new CairnError('INVALID_ARGUMENT', `max: ${max} is not a number of connections. Give a whole number, 1 or more.`, { details: { field: 'max' } })
      if (!hasOwnPool(this.#options, name) || isElsewhere(this.#options, name)) {
        throw new CairnError('INVALID_ARGUMENT', `pool: ${name} has no connections of its own on the primary's server. Name it in pools when you open Cairn.`, { details: { field: 'pool' } })
      }
      const pool = this.#pool(name)
      await this.#scaler.resize(pool, max)
      return pool.status()
    })
  }

  close(): Promise<void> {
    this.#closed ??= this.#shutdown()
    return this.#closed
  }

  async #shutdown(): Promise<void> {
    await this.#calls.close()
    this.#held.close()
    await this.#scaler.close()
    this.#replicas?.close()
    const pools = [...this.#pools.values(), ...(this.#replicas?.pools ?? [])]
    await Promise.all([this.#listener.close(), ...pools.map((pool) => pool.close())])
  }

  /** To a replica where the caller asks for it, else to the pool that was named. */
  #route<T>(options: QueryOptions, work: (connection: SqlConnection) => Promise<T>, taken?: Error): Promise<T> {
    const replicas = this.#replicas
    if (options.pool !== 'replica' || replicas === undefined) return this.#lease(options.pool, work, taken)
    return this.#calls.run(() => readOnReplica(replicas, options.readYourWrites, ({ connection }) => work(connection), () => this.#use('primary', work, taken)))
  }

  #lease<T>(name: PoolName | undefined, work: (connection: SqlConnection) => Promise<T>, taken?: Error): Promise<T> {
    return this.#calls.run(() => this.#use(name ?? 'primary', work, taken))
  }

  async #use<T>(name: PoolName, work: (connection: SqlConnection) => Promise<T>, taken: Error | undefined): Promise<T> {
    const { connection, pool, release } = await this.#acquire(name)
    const end = this.#held.hold(pool.label, pool.meter, taken)
    try {
      return await work(connection)
    } finally {
      end()
      release()
    }
  }

  async #acquire(name: PoolName): Promise<Lease> {
    try {
      return await this.#pool(name).acquire()
    } catch (error) {
      if (name === 'primary' || !isElsewhere(this.#options, name) || !isCairnError(error, 'CONNECTION_FAILED')) throw error
      this.#log.warn({ err: error, pool: name }, 'The pool cannot be reached; the primary serves instead')
      return this.#pool('primary').acquire()
    }
  }

  /** The pool of that name, or the primary's when it has no connections of its own. */
  #pool(named: PoolName): PostgresPool {
    const name = hasOwnPool(this.#options, named) ? named : 'primary'
    let pool = this.#pools.get(name)
    if (pool === undefined) {
      const configs = clientConfigs(this.#options, name)
      const servers = isElsewhere(this.#options, name) ? new ServerChoice(configs) : this.#primaryServers.alike(configs)
      pool = this.#makePool(name, name, servers)
      this.#pools.set(name, pool)
    }
    return pool
  }

  #makePool(name: PoolName, label: string, servers: ServerChoice): PostgresPool {
    const pool = new PostgresPool({ name, label, options: this.#options, servers, arrayTypes: this.#arrayTypes, slow: this.#slow, log: this.#log })
    // Sizes that were asked for are kept from the start; the others grow with the load.
    if (this.#options.pools?.[name]?.min !== undefined) void pool.fill()
    return pool
  }

  #makeReplicas(): ReplicaSet {
    const configs = clientConfigs(this.#options, 'replica')
    const pools = configs.map((config, index) => this.#makePool('replica', configs.length === 1 ? 'replica' : `replica ${index + 1}`, new ServerChoice([config])))
    return new ReplicaSet(pools, {
      checkMs: this.#options.replicaCheckMs ?? REPLICA_CHECK_MS,
      maxLagMs: this.#options.pools?.replica?.maxLagMs ?? Infinity,
      primaryPosition: () => this.position(),
      log: this.#log,
    })
  }

  /** Behind a pooler the time limit of the options cannot be set when connecting. */
  #limit<O extends TransactionOptions>(options: O): O {
    const { statementTimeoutMs } = this.#options
    if (!this.#mode.localIdentity || options.timeoutMs !== undefined || statementTimeoutMs === undefined || statementTimeoutMs === 0) return options
    return { ...options, timeoutMs: statementTimeoutMs }
  }
}
