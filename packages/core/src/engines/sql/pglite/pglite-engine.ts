import { mkdir, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import pg from 'pg'
import { CairnError, isCairnError } from '../../../errors/index.ts'
import type { Identity } from '../../../identity/index.ts'
import { SILENT_LOGGER, type Logger } from '../../../observability/index.ts'
import { detectCapabilities } from '../capabilities.ts'
import { copyRows } from '../copy-in.ts'
import { HeldConnections } from '../held-connections.ts'
import { InFlight } from '../in-flight.ts'
import { PoolMeter } from '../pool-meter.ts'
import { SlowStatements } from '../slow-statements.ts'
import { SqlConnection, type ArrayTypes } from '../sql-connection.ts'
import type { PoolCheck, PoolStatus, QueryOptions, SqlCapabilities, SqlEngine, SqlResult, SqlSession, TransactionOptions } from '../sql-engine.ts'
import { runTransaction, withReruns } from '../sql-transaction.ts'
import { timeLimit } from '../time-limit.ts'
import { typeParsers } from '../type-parsers.ts'
import { parsePosition } from '../wal-position.ts'
import { corrupt, inspectDataDir, putInPlace, unfinishedDir } from './pglite-data-dir.ts'
import { PgliteHost } from './pglite-host.ts'
import { lockDataDir } from './pglite-lock.ts'
import { PgliteSocket } from './pglite-socket.ts'

export interface PgliteOptions {
  /** A folder, made when missing; its lock is `<dataDir>.lock`. `memory://` keeps nothing and is meant for tests. */
  readonly dataDir: string
  readonly log?: Logger
  /** Told what takes long at the first start, in a few words. */
  readonly onProgress?: (what: string) => void
  /** Extensions to load: `vector` and those of PGlite's contrib. @default ['pg_trgm', 'vector'] */
  readonly extensions?: readonly string[]
  /** A start that takes longer is given up with DATA_DIR_CORRUPT. @default 60000 */
  readonly startTimeoutMs?: number
  /** Statements that take longer are counted and logged, without their parameters; 0 for none. @default 100 */
  readonly slowStatementMs?: number
  /** A transaction that holds the connection longer is logged with the place that began it; 0 for none. @default 30000 */
  readonly leakAfterMs?: number
}

const MEMORY = 'memory://'
const MODE = { localIdentity: false, serverTimeout: false } as const
const DEFAULT_START_TIMEOUT_MS = 60_000
const SLOW_STATEMENT_MS = 100
const LEAK_AFTER_MS = 30_000
const CHECK_LIMIT_MS = 5_000
const END_OF_LOG = 'SELECT pg_current_wal_insert_lsn()::text AS position'

/**
 * Opens PGlite: PostgreSQL in a worker thread, on files, with one connection. The first start makes the
 * database and takes some seconds. Errors: DATA_DIR_LOCKED, DATA_DIR_CORRUPT.
 *
 * A statement cannot be cancelled here, so one that exceeds its `timeoutMs` costs a restart of the worker
 * (about half a second); in `memory://` it runs to its end and then fails with TIMEOUT.
 */
export async function openPglite(options: PgliteOptions): Promise<PgliteEngine> {
  const inMemory = options.dataDir === MEMORY
  const dataDir = inMemory ? MEMORY : resolve(options.dataDir)
  const unlock = inMemory ? async () => {} : await lockDataDir(`${dataDir}.lock`, dataDir)
  const engine = new PgliteEngine(dataDir, unlock, options)
  try {
    await engine.start()
  } catch (error) {
    await engine.close()
    throw error
  }
  return engine
}

export class PgliteEngine implements SqlEngine {
  readonly kind = 'pglite'
  capabilities!: SqlCapabilities
  readonly #dataDir: string
  readonly #unlock: () => Promise<void>
  readonly #options: PgliteOptions
  readonly #log: Logger
  readonly #calls = new InFlight()
  readonly #listeners = new Map<string, Set<(payload: string) => void>>()
  readonly #arrayTypes: ArrayTypes = new Map()
  readonly #meter = new PoolMeter()
  readonly #slow: SlowStatements
  readonly #held: HeldConnections
  #host: PgliteHost | undefined
  #client: pg.Client | undefined
  #connection: SqlConnection | undefined
  #tail: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #closed: Promise<void> | undefined

  constructor(dataDir: string, unlock: () => Promise<void>, options: PgliteOptions) {
    this.#dataDir = dataDir
    this.#unlock = unlock
    this.#options = options
    this.#log = options.log ?? SILENT_LOGGER
    this.#slow = new SlowStatements(options.slowStatementMs ?? SLOW_STATEMENT_MS, this.#log)
    this.#held = new HeldConnections(options.leakAfterMs ?? LEAK_AFTER_MS, this.#log)
  }

  /** Part of opening; not for callers. */
  async start(): Promise<void> {
    if (this.#dataDir !== MEMORY && (await inspectDataDir(this.#dataDir)) === 'empty') await this.#initialize()
    const connection = await this.#connect()
    this.capabilities = await detectCapabilities(connection, false)
  }

  query<Row>(identity: Identity, text: string, values?: readonly unknown[], options: QueryOptions = {}): Promise<SqlResult<Row>> {
    // One connection sees every write; a token is checked all the same, so that code fails alike on both engines.
    if (options.readYourWrites !== undefined) parsePosition(options.readYourWrites)
    return this.#exclusive(options.timeoutMs, async (connection) => {
      await connection.identify(identity)
      return connection.query<Row>(text, values, options)
    })
  }

  transaction<T>(identity: Identity, run: (session: SqlSession) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    const chosen = { readOnly: options.pool === 'replica', ...options }
    return withReruns(options, () => this.#exclusive(options.timeoutMs, (connection) => runTransaction(connection, identity, run, chosen, MODE), this.#held.place()))
  }

  copyIn(
    identity: Identity,
    table: string,
    columns: readonly string[],
    rows: Iterable<readonly unknown[]> | AsyncIterable<readonly unknown[]>,
  ): Promise<number> {
    return this.#exclusive(undefined, (connection) => runTransaction(connection, identity, () => copyRows(connection, table, columns, rows), {}, MODE))
  }

  async listen(channel: string, listener: (payload: string) => void): Promise<() => Promise<void>> {
    // An entry of its own, so that one function may listen twice; in the list before LISTEN is sent, so that who ends meanwhile sees it.
    const entry = (payload: string) => listener(payload)
    const listeners = this.#listeners.get(channel) ?? new Set()
    this.#listeners.set(channel, listeners.add(entry))
    const forget = (): void => {
      if (listeners.delete(entry) && listeners.size === 0) this.#listeners.delete(channel)
    }
    try {
      await this.#exclusive(undefined, (connection) => connection.exec(`LISTEN ${pg.escapeIdentifier(channel)}`))
    } catch (error) {
      forget()
      throw error
    }
    return async () => {
      forget()
      if (this.#calls.closing || this.#listeners.has(channel)) return
      await this.#exclusive(undefined, async (connection) => {
        if (!this.#listeners.has(channel)) await connection.exec(`UNLISTEN ${pg.escapeIdentifier(channel)}`)
      })
    }
  }

  ping(): Promise<number> {
    return this.#exclusive(undefined, async (connection) => {
      const start = performance.now()
      await connection.query('SELECT 1', [], { name: 'cairn_ping' })
      return performance.now() - start
    })
  }

  pools(): PoolStatus[] {
    const open = this.#connection === undefined ? 0 : 1
    const busy = this.#waiting > 0
    const { errors, slowStatements, leaks, lastCheckAt } = this.#meter
    return [
      {
        name: 'primary', label: 'primary', address: this.#dataDir, available: true,
        max: 1, open, idle: busy ? 0 : open, waiting: Math.max(0, this.#waiting - 1),
        ...this.#meter.read(), errors, slowStatements, leaks, lastCheckAt, replica: null,
      },
    ]
  }

  async checkPools(): Promise<PoolCheck[]> {
    const started = performance.now()
    let error: string | null = null
    try {
      await this.#exclusive(CHECK_LIMIT_MS, (connection) => connection.query('SELECT 1', [], { name: 'cairn_ping' }))
    } catch (failure) {
      if (isCairnError(failure, 'CLOSED')) throw failure
      error = (failure as Error).message
    }
    this.#meter.checked(error === null)
    const { name, label, address, open, idle } = this.pools()[0] as PoolStatus
    return [{ name, label, address, healthy: error === null, latencyMs: error === null ? performance.now() - started : null, error, active: open - idle, idle }]
  }

  resizePool(): Promise<never> {
    return Promise.reject(new CairnError('CAPABILITY_MISSING', 'PGlite has one connection, which no pool can have more of. Use PostgreSQL for pools with sizes.'))
  }

  position(): Promise<string> {
    return this.#exclusive(undefined, async (connection) => {
      const { rows } = await connection.query<{ position: string }>(END_OF_LOG, [], { name: 'cairn_end_of_log' })
      return rows[0]?.position ?? '0/0'
    })
  }

  close(): Promise<void> {
    this.#closed ??= this.#shutdown()
    return this.#closed
  }

  /** For tests: ends the worker as a crash would. The next call starts it again. */
  async crash(): Promise<void> {
    await this.#host?.terminate()
  }

  async #shutdown(): Promise<void> {
    await this.#calls.close()
    this.#held.close()
    await this.#disconnect()
    await this.#unlock()
  }

  /** One caller at a time, in the order of arrival. Waiting counts towards `timeoutMs`. */
  #exclusive<T>(timeoutMs: number | undefined, work: (connection: SqlConnection) => Promise<T>, taken?: Error): Promise<T> {
    return this.#calls.run(async () => {
      this.#waiting += 1
      const asked = performance.now()
      const turn = this.#tail
      let done!: () => void
      this.#tail = new Promise<void>((resolve) => (done = resolve))
      try {
        if (this.#waiting > 1) await waitTurn(turn, timeoutMs)
        const connection = await this.#take(asked)
        const end = this.#held.hold('primary', this.#meter, taken)
        try {
          return await work(connection)
        } finally {
          end()
        }
      } finally {
        this.#waiting -= 1
        // A caller that gave up waiting leaves its place only when its turn comes.
        void turn.then(done)
      }
    })
  }

  async #take(asked: number): Promise<SqlConnection> {
    try {
      const connection = await this.#connect()
      this.#meter.acquired(performance.now() - asked)
      return connection
    } catch (error) {
      this.#meter.failed()
      throw error
    }
  }

  async #connect(): Promise<SqlConnection> {
    const current = this.#connection
    if (current !== undefined && !current.broken && this.#host?.alive === true) return current
    if (current !== undefined) {
      this.#log.warn({ dataDir: this.#dataDir }, 'PGlite is started again')
      if (this.#dataDir === MEMORY) throw new CairnError('CONNECTION_FAILED', 'The database was in memory only and was lost with its worker. Open a new one.')
    }
    await this.#disconnect()

    const host = await this.#startHost(this.#dataDir)
    const client = new pg.Client({
      stream: () => new PgliteSocket(host),
      user: 'postgres',
      database: 'postgres',
      password: 'none',
      types: typeParsers,
    })
    client.on('notification', (message) => this.#notify(message.channel, message.payload ?? ''))
    const interrupt = () => (this.#dataDir === MEMORY ? Promise.resolve() : host.terminate())
    const connection = new SqlConnection({
      client,
      target: { address: `PGlite in ${this.#dataDir}`, database: 'postgres', user: 'postgres' },
      arrayTypes: this.#arrayTypes,
      interrupt,
      prepare: true,
      slow: { thresholdMs: this.#slow.thresholdMs, add: (statement, ms) => this.#slow.add(statement, ms, 'primary', this.#meter) },
    })
    try {
      await client.connect()
      for (const channel of this.#listeners.keys()) await connection.exec(`LISTEN ${pg.escapeIdentifier(channel)}`)
    } catch (error) {
      await host.terminate()
      throw isCairnError(error) ? error : corrupt(this.#dataDir, (error as Error).message, error)
    }
    this.#host = host
    this.#client = client
    this.#connection = connection
    return connection
  }

  async #disconnect(): Promise<void> {
    const [host, client] = [this.#host, this.#client]
    this.#host = undefined
    this.#client = undefined
    this.#connection = undefined
    if (host?.alive === true) await client?.end().catch(() => {})
    await host?.close()
  }

  /** Makes the database beside its place and moves it there when it is complete. */
  async #initialize(): Promise<void> {
    this.#options.onProgress?.('making the database')
    const unfinished = unfinishedDir(this.#dataDir)
    await rm(unfinished, { recursive: true, force: true })
    await mkdir(dirname(unfinished), { recursive: true })
    const host = await this.#startHost(unfinished)
    await host.close()
    await putInPlace(unfinished, this.#dataDir)
    this.#options.onProgress?.('opening the database')
  }

  async #startHost(dataDir: string): Promise<PgliteHost> {
    const host = new PgliteHost({ dataDir, extensions: this.#options.extensions ?? ['pg_trgm', 'vector'] })
    const limit = this.#options.startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`it did not start within ${limit} ms`)), limit)
    })
    try {
      await Promise.race([host.started, late])
      return host
    } catch (error) {
      await host.terminate()
      const output = host.output === '' ? '' : ` (${host.output.split('\n').at(-1)})`
      throw corrupt(this.#dataDir, `${(error as Error).message}${output}`, error)
    } finally {
      clearTimeout(timer)
    }
  }

  #notify(channel: string, payload: string): void {
    for (const listener of this.#listeners.get(channel) ?? []) {
      try {
        listener(payload)
      } catch (error) {
        this.#log.error({ err: error, channel }, 'A listener threw')
      }
    }
  }
}

async function waitTurn(turn: Promise<unknown>, timeoutMs: number | undefined): Promise<void> {
  if (timeoutMs === undefined) {
    await turn
    return
  }
  const limitMs = timeLimit(timeoutMs)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    const message = `The statement waited ${timeoutMs} ms for PGlite's one connection and was given up.`
    timer = setTimeout(() => reject(new CairnError('TIMEOUT', message, { details: { timeoutMs } })), limitMs)
  })
  try {
    await Promise.race([turn, late])
  } finally {
    clearTimeout(timer)
  }
}
