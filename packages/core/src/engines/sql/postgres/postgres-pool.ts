import pg from 'pg'
import { CairnError } from '../../../errors/index.ts'
import type { Logger } from '../../../observability/index.ts'
import { SqlConnection, type ArrayTypes } from '../sql-connection.ts'
import type { PoolName, PoolStatus } from '../sql-engine.ts'
import { toConnectError, type SqlTarget } from '../sql-error.ts'
import { clientConfig, poolOptions, targetOf, type PostgresEngineOptions } from './postgres-options.ts'

export interface Lease {
  readonly connection: SqlConnection
  /** Gives it back to the pool, or closes it when it is broken. */
  readonly release: () => void
}

/** One named pool of connections to one server. */
export class PostgresPool {
  readonly name: PoolName
  readonly target: SqlTarget
  readonly #config: pg.ClientConfig
  readonly #pool: pg.Pool
  readonly #max: number
  readonly #acquireTimeoutMs: number
  readonly #prepare: boolean
  readonly #arrayTypes: ArrayTypes
  readonly #connections = new WeakMap<pg.PoolClient, SqlConnection>()

  constructor(name: PoolName, options: PostgresEngineOptions, arrayTypes: ArrayTypes, log: Logger) {
    const { max, min, acquireTimeoutMs, idleTimeoutMs, maxLifetimeMs } = poolOptions(options, name)
    const config = clientConfig(options, name)
    this.name = name
    this.target = targetOf(config)
    this.#config = config
    this.#max = max
    this.#acquireTimeoutMs = acquireTimeoutMs
    this.#prepare = options.pgbouncer !== true
    this.#arrayTypes = arrayTypes
    // The pool's one time limit covers waiting for a turn and connecting; connecting has a shorter one of its own.
    const connect = config.connectionTimeoutMillis
    class Client extends pg.Client {
      constructor() {
        super({ ...config, connectionTimeoutMillis: connect })
      }
    }
    this.#pool = new pg.Pool({
      ...config,
      Client,
      max,
      min,
      connectionTimeoutMillis: acquireTimeoutMs,
      idleTimeoutMillis: idleTimeoutMs,
      maxLifetimeSeconds: Math.max(1, Math.round(maxLifetimeMs / 1000)),
    })
    // Without this listener, a server that drops an idle connection would end the process.
    this.#pool.on('error', (error) => log.warn({ err: error, pool: name, address: this.target.address }, 'An idle connection was lost'))
    this.#pool.on('connect', (client) => this.#connections.set(client, this.#wrap(client)))
  }

  async acquire(): Promise<Lease> {
    const client = await this.#connect()
    const connection = this.#connections.get(client) as SqlConnection
    return { connection, release: () => client.release(connection.broken) }
  }

  status(): PoolStatus {
    const { totalCount, idleCount, waitingCount } = this.#pool
    return { name: this.name, max: this.#max, open: totalCount, idle: idleCount, waiting: waitingCount }
  }

  close(): Promise<void> {
    return this.#pool.end()
  }

  async #connect(): Promise<pg.PoolClient> {
    try {
      return await this.#pool.connect()
    } catch (error) {
      if (error instanceof Error && error.message === 'timeout exceeded when trying to connect') {
        const { name } = this
        const message = `The pool ${name} had no free connection within ${this.#acquireTimeoutMs} ms: all ${this.#max} are in use. Make it larger or the work shorter.`
        throw new CairnError('TIMEOUT', message, { cause: error, details: { pool: name, max: this.#max } })
      }
      throw toConnectError(error, this.target)
    }
  }

  #wrap(client: pg.PoolClient): SqlConnection {
    const { target } = this
    return new SqlConnection({
      client,
      target,
      arrayTypes: this.#arrayTypes,
      prepare: this.#prepare,
      interrupt: () => cancel(client, this.#config),
    })
  }
}

/** Asks the server to cancel what the client runs; when it cannot be asked, the socket is closed. */
async function cancel(client: pg.Client, config: pg.ClientConfig): Promise<void> {
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
