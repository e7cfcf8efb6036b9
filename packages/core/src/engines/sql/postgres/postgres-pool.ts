import pg from 'pg'
import { CairnError, isCairnError } from '../../../errors/index.ts'
import type { Logger } from '../../../observability/index.ts'
import { PoolMeter } from '../pool-meter.ts'
import type { SlowStatements } from '../slow-statements.ts'
import { SqlConnection, type ArrayTypes } from '../sql-connection.ts'
import type { PoolName, PoolStatus } from '../sql-engine.ts'
import { toConnectError } from '../sql-error.ts'
import { poolOptions, targetOf, type PoolLimits, type PostgresEngineOptions } from './postgres-options.ts'
import type { ServerChoice } from './server-choice.ts'

export interface Lease {
  readonly connection: SqlConnection
  readonly pool: PostgresPool
  /** Gives it back to the pool, or closes it when it is broken. */
  readonly release: () => void
}

export interface PoolSetup {
  readonly name: PoolName
  readonly label: string
  readonly options: PostgresEngineOptions
  readonly servers: ServerChoice
  readonly arrayTypes: ArrayTypes
  readonly slow: SlowStatements
  readonly log: Logger
}

/** A connection that was used just now is alive; one that waited longer is asked before it is given out. */
const TEST_AFTER_IDLE_MS = 1_000
const TEST_LIMIT_MS = 5_000

/** One named pool of connections to one server; with several servers in its URL, to the one that takes writes. */
export class PostgresPool {
  readonly name: PoolName
  readonly label: string
  readonly limits: PoolLimits
  readonly meter = new PoolMeter()
  readonly #setup: PoolSetup
  readonly #pool: pg.Pool
  readonly #connections = new WeakMap<pg.PoolClient, SqlConnection>()
  readonly #servers = new WeakMap<pg.ClientBase, pg.ClientConfig>()
  readonly #afterConnect: readonly string[]
  #max: number
  #closing = false

  constructor(setup: PoolSetup) {
    const { name, label, options, servers, log } = setup
    this.name = name
    this.label = label
    this.limits = poolOptions(options, name)
    this.#setup = setup
    this.#afterConnect = options.pools?.[name]?.afterConnect ?? []
    this.#max = this.limits.max
    const { max, min, acquireTimeoutMs, idleTimeoutMs, maxLifetimeMs } = this.limits
    // Refuses what cannot be used before the first connection is made.
    for (const config of servers.configs) targetOf(config)
    const remember = this.#servers
    // The pool's one time limit covers waiting for a turn and connecting; connecting has a shorter one of its own.
    class Client extends pg.Client {
      constructor() {
        const config = servers.current
        super(config)
        remember.set(this, config)
      }
    }
    this.#pool = new pg.Pool({
      Client,
      max,
      min,
      connectionTimeoutMillis: acquireTimeoutMs,
      idleTimeoutMillis: idleTimeoutMs,
      maxLifetimeSeconds: Math.max(1, Math.round(maxLifetimeMs / 1000)),
      // pg's types do not know that it may be awaited.
      onConnect: (client) => this.#prepare(client as pg.PoolClient) as unknown as undefined,
    })
    // Without this listener, a server that drops an idle connection would end the process.
    this.#pool.on('error', (error) => log.warn({ err: error, pool: label, address: this.address }, 'An idle connection was lost'))
    if (options.pools?.[name]?.min !== undefined) this.#pool.on('remove', () => void this.fill())
  }

  get address(): string {
    return targetOf(this.#setup.servers.current).address
  }

  /** Most connections now; `limits.max` is the size it was given. */
  get max(): number {
    return this.#max
  }

  get saturated(): boolean {
    return this.#pool.waitingCount > 0
  }

  async acquire(): Promise<Lease> {
    const started = performance.now()
    try {
      const connection = await this.#take()
      this.meter.acquired(performance.now() - started, this.#pool.totalCount - this.#pool.idleCount)
      return connection
    } catch (error) {
      this.meter.failed()
      throw error
    }
  }

  /** Opens connections until there are `min`; a server that cannot be reached now is left for later. */
  async fill(): Promise<void> {
    const missing = this.limits.min - this.#pool.totalCount
    if (this.#closing || missing <= 0) return
    const clients = await Promise.allSettled(Array.from({ length: missing }, () => this.#pool.connect()))
    for (const client of clients) if (client.status === 'fulfilled') client.value.release()
  }

  /**
   * Another most. What is beyond it closes when it is idle or given back. After growing, connections are opened for those who wait;
   * where the server refuses them, the pool stays as large as it got.
   */
  async resize(max: number): Promise<void> {
    if (this.#closing) return
    this.#max = this.#pool.options.max = max
    const wanted = Math.min(max - this.#pool.totalCount, this.#pool.waitingCount)
    if (wanted > 0) {
      const opened = await Promise.allSettled(Array.from({ length: wanted }, () => this.#connect()))
      for (const client of opened) if (client.status === 'fulfilled') client.value.release()
      const refused = opened.find((client) => client.status === 'rejected')
      if (refused !== undefined && !this.#closing) {
        this.#max = this.#pool.options.max = Math.max(this.limits.max, Math.min(max, this.#pool.totalCount))
        throw refused.reason
      }
    }
    for (let over = this.#pool.totalCount - max; over > 0 && this.#pool.idleCount > 0; over--) (await this.#pool.connect()).release(true)
  }

  status(): PoolStatus {
    const { totalCount, idleCount, waitingCount } = this.#pool
    const { errors, slowStatements, leaks, lastCheckAt } = this.meter
    return {
      name: this.name, label: this.label, address: this.address, available: true,
      max: this.#max, open: totalCount, idle: idleCount, waiting: waitingCount,
      ...this.meter.read(), errors, slowStatements, leaks, lastCheckAt, replica: null,
    }
  }

  close(): Promise<void> {
    this.#closing = true
    return this.#pool.end()
  }

  async #take(): Promise<Lease> {
    for (;;) {
      const client = await this.#connect()
      const connection = this.#connections.get(client) as SqlConnection
      const moved = this.#setup.servers.several && this.#servers.get(client) !== this.#setup.servers.current
      if (!moved && !connection.broken && (await this.#answers(client, connection))) {
        return { connection, pool: this, release: () => this.#release(client, connection) }
      }
      client.release(true)
    }
  }

  #release(client: pg.PoolClient, connection: SqlConnection): void {
    connection.idleSince = performance.now()
    if (connection.readOnlyServer && this.#setup.servers.several) {
      this.#setup.servers.advance(this.#serverOf(client))
      connection.broken = true
    }
    client.release(connection.broken || this.#pool.totalCount > this.#max)
  }

  async #answers(client: pg.PoolClient, connection: SqlConnection): Promise<boolean> {
    if (!this.limits.testBeforeAcquire || performance.now() - connection.idleSince < TEST_AFTER_IDLE_MS) return true
    const deaf = setTimeout(() => client.connection.stream.destroy(new Error('Connection terminated: no answer to a test')), TEST_LIMIT_MS)
    try {
      await connection.query('SELECT 1', [], { name: 'cairn_ping' })
      return true
    } catch {
      return false
    } finally {
      clearTimeout(deaf)
    }
  }

  /** Where the URL names several servers, each is tried once. */
  async #connect(): Promise<pg.PoolClient> {
    const { servers } = this.#setup
    for (let tried = 1; ; tried += 1) {
      const server = servers.current
      try {
        return await this.#pool.connect()
      } catch (error) {
        const failure = this.#failure(error, server)
        if (!isCairnError(failure, 'CONNECTION_FAILED') || tried >= servers.configs.length) throw failure
        this.#setup.log.warn({ err: failure, pool: this.label }, 'A server does not serve; the next one of the URL is tried')
        servers.advance(server)
      }
    }
  }

  #failure(error: unknown, server: pg.ClientConfig): CairnError {
    if (!(error instanceof Error) || error.message !== 'timeout exceeded when trying to connect') return toConnectError(error, targetOf(server))
    const { label, limits } = this
    const message = `The pool ${label} had no free connection within ${limits.acquireTimeoutMs} ms: all ${this.#max} are in use. Make it larger or the work shorter.`
    return new CairnError('TIMEOUT', message, { cause: error, details: { pool: this.name, max: this.#max } })
  }

  /** Before a new connection is given out for the first time. */
  async #prepare(client: pg.PoolClient): Promise<void> {
    const config = this.#serverOf(client)
    const target = targetOf(config)
    const { arrayTypes, options, slow, servers } = this.#setup
    const connection = new SqlConnection({
      client,
      target,
      arrayTypes,
      prepare: options.pgbouncer !== true,
      interrupt: () => cancel(client, config),
      slow: { thresholdMs: slow.thresholdMs, add: (statement, ms) => slow.add(statement, ms, this.label, this.meter) },
      ...(options.stayAwakeMs === undefined ? {} : { stayAwakeMs: options.stayAwakeMs }),
      ...(options.statementCache === undefined ? {} : { statementCache: options.statementCache }),
    })
    this.#connections.set(client, connection)
    if (servers.several) {
      const { rows } = await connection.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby')
      if (rows[0]?.standby === true) throw new CairnError('CONNECTION_FAILED', `PostgreSQL at ${target.address} is a standby and takes no writes.`)
    }
    for (const statement of this.#afterConnect) await connection.exec(statement)
  }

  #serverOf(client: pg.ClientBase): pg.ClientConfig {
    return this.#servers.get(client) ?? this.#setup.servers.current
  }
}

/** Asks the server to cancel what the client runs; when it cannot be asked, the socket is closed. */
async function cancel(client: pg.PoolClient, config: pg.ClientConfig): Promise<void> {
  const other = new pg.Client(config)
  other.on('error', () => {})
  try {
    await other.connect()
    await other.query('SELECT pg_cancel_backend($1)', [(client as unknown as { processID: number }).processID])
  } catch {
    client.connection.stream.destroy(new Error('Connection terminated after a time limit'))
  } finally {
    await other.end().catch(() => {})
  }
}
