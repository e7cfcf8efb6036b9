import { CairnError } from '../../../errors/index.ts'
import type { Logger } from '../../../observability/index.ts'
import type { SqlConnection } from '../sql-connection.ts'
import type { PoolStatus, ReplicaLag } from '../sql-engine.ts'
import { parsePosition } from '../wal-position.ts'
import type { PostgresPool } from './postgres-pool.ts'
import { READ_REPLICA } from './replica-queries.ts'

interface Replica {
  readonly pool: PostgresPool
  available: boolean
  checking: boolean
  lag: ReplicaLag | null
}

interface ReplicaRow {
  readonly standby: boolean
  readonly position: string
  readonly behind_bytes: number | null
  readonly behind_ms: number | null
}

/** A check that takes longer finds the replica out of service. */
const CHECK_LIMIT_MS = 2_000

/**
 * The replicas: whose turn it is, which of them live, and how far they are behind. One that fails a call is left out at
 * once and comes back when it answers a check; a standby that was promoted is left out for good, as it is no replica.
 */
export class ReplicaSet {
  readonly #replicas: Replica[]
  readonly #maxLagMs: number
  readonly #primaryPosition: () => Promise<string>
  readonly #log: Logger
  readonly #timer: NodeJS.Timeout
  /** The furthest that each connection saw its server to have replayed: one that was restarted after a crash shows less for a while. */
  readonly #replayed = new WeakMap<SqlConnection, bigint>()
  #next = 0

  constructor(pools: readonly PostgresPool[], options: { checkMs: number; maxLagMs: number; primaryPosition: () => Promise<string>; log: Logger }) {
    this.#replicas = pools.map((pool) => ({ pool, available: true, checking: false, lag: null }))
    this.#maxLagMs = options.maxLagMs
    this.#primaryPosition = options.primaryPosition
    this.#log = options.log
    this.#timer = setInterval(() => void this.check(), options.checkMs).unref()
  }

  get pools(): PostgresPool[] {
    return this.#replicas.map(({ pool }) => pool)
  }

  /** The replicas that serve, the one whose turn it is first. */
  inTurn(): PostgresPool[] {
    const living = this.#replicas.filter((replica) => replica.available && (replica.lag?.lagMs ?? 0) <= this.#maxLagMs)
    const first = living.length === 0 ? 0 : this.#next++ % living.length
    return [...living.slice(first), ...living.slice(0, first)].map(({ pool }) => pool)
  }

  /** A call failed because the replica does not serve. */
  failed(pool: PostgresPool, error: unknown): void {
    const replica = this.#of(pool)
    if (replica === undefined || !replica.available) return
    replica.available = false
    this.#log.warn({ err: error, pool: pool.label, address: pool.address }, 'A replica failed; reads go elsewhere until it is back')
  }

  /** True when the server of this connection is known to have replayed up to there. */
  hasReplayed(connection: SqlConnection, position: bigint): boolean {
    return (this.#replayed.get(connection) ?? 0n) >= position
  }

  replayed(connection: SqlConnection, position: string): void {
    this.#replayed.set(connection, parsePosition(position))
  }

  status(): PoolStatus[] {
    return this.#replicas.map(({ pool, available, lag }) => ({ ...pool.status(), available, replica: lag }))
  }

  /** Asks each replica once; also called by the clock. Never rejects. */
  async check(): Promise<void> {
    const primary = await this.#primaryPosition().catch(() => null)
    await Promise.all(this.#replicas.map((replica) => this.#checkOne(replica, primary)))
  }

  close(): void {
    clearInterval(this.#timer)
  }

  async #checkOne(replica: Replica, primary: string | null): Promise<void> {
    // A pool that is used to the full is busy, not dead.
    if (replica.checking || (replica.available && replica.pool.saturated)) return
    replica.checking = true
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new CairnError('TIMEOUT', `The replica did not answer within ${CHECK_LIMIT_MS} ms.`)), CHECK_LIMIT_MS)
    })
    const asked = this.#ask(replica, primary)
    // One check at a time, however long it takes; what comes too late counts for nothing.
    asked.catch(() => {}).finally(() => (replica.checking = false))
    try {
      const row = await Promise.race([asked, late])
      replica.pool.meter.checked(true)
      this.#heard(replica, row)
    } catch (error) {
      replica.pool.meter.checked(false)
      replica.lag = null
      this.failed(replica.pool, error)
    } finally {
      clearTimeout(timer)
    }
  }

  async #ask({ pool }: Replica, primary: string | null): Promise<ReplicaRow> {
    const { connection, release } = await pool.acquire()
    try {
      const { rows } = await connection.query<ReplicaRow>(READ_REPLICA, [primary], { name: 'cairn_read_replica' })
      this.replayed(connection, rows[0]?.position ?? '0/0')
      return rows[0] as ReplicaRow
    } finally {
      release()
    }
  }

  #heard(replica: Replica, row: ReplicaRow): void {
    const { pool } = replica
    if (!row.standby) {
      if (replica.available) this.#log.warn({ pool: pool.label, address: pool.address }, 'A replica takes writes now; it is left out of the replicas')
      replica.available = false
      replica.lag = null
      return
    }
    replica.lag = { lagMs: Math.max(0, row.behind_ms ?? 0), lagBytes: row.behind_bytes === null ? null : Math.max(0, row.behind_bytes), position: row.position }
    if (!replica.available) this.#log.info({ pool: pool.label, address: pool.address }, 'A replica is back')
    replica.available = true
  }

  #of(pool: PostgresPool): Replica | undefined {
    return this.#replicas.find((replica) => replica.pool === pool)
  }
}
