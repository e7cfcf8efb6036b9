import pg from 'pg'
import { CairnError } from '../../../errors/index.ts'
import type { Logger } from '../../../observability/index.ts'
import { toConnectError } from '../sql-error.ts'
import type { PostgresPool } from './postgres-pool.ts'
import { targetOf } from './postgres-options.ts'
import { SERVER_ROOM } from './replica-queries.ts'

/** Lets pools follow their load, within what the server has. */
export interface PoolScalingOptions {
  /** Most connections of all pools of this process together. @default what the server has left, up to 80 % of its connections */
  readonly maxTotal?: number
  /** How often the load is looked at. @default 1000 */
  readonly everyMs?: number
  /** A pool that needed less than half of its connections for so long gives connections back, down to its own size. @default 60000 */
  readonly shrinkAfterMs?: number
}

export interface ScalerDeps {
  /** Those on the primary's server. */
  pools(): readonly PostgresPool[]
  server(): pg.ClientConfig
  readonly log: Logger
}

const EVERY_MS = 1_000
const SHRINK_AFTER_MS = 60_000
/** Others connect too: this much of the server is never taken by growing. */
const SHARE_OF_SERVER = 0.8
/** The listener, and one that cancels a statement or asks for the server's room. */
const BESIDES_POOLS = 2

/**
 * Changes the sizes of pools while they are in use: by request, or by the load when `scaling` is on. A pool in which callers
 * wait grows by half; one that has not needed half of its connections for a while shrinks towards the size it was given.
 * What the server has left is asked before each growth, through a connection of its own, as the pools are full then.
 */
export class PoolScaler {
  readonly #deps: ScalerDeps
  readonly #options: PoolScalingOptions
  /** Since when a pool was seen to need less than half, and the most it needed since. */
  readonly #quiet = new Map<PostgresPool, { since: number; peak: number }>()
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined

  constructor(deps: ScalerDeps, options: PoolScalingOptions = {}) {
    this.#deps = deps
    this.#options = options
  }

  start(): void {
    this.#timer = setInterval(() => void this.look(), this.#options.everyMs ?? EVERY_MS).unref()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#looking
  }

  /** One look at all pools; never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch((error: unknown) => this.#deps.log.warn({ err: error }, 'pools could not be scaled; they keep their sizes'))
      .finally(() => (this.#looking = undefined))
    return this.#looking
  }

  /** INVALID_ARGUMENT when the server, or `maxTotal`, has no room for it. */
  async resize(pool: PostgresPool, max: number): Promise<void> {
    const more = max - pool.max
    if (more > 0) {
      const room = await this.#room()
      if (more > room) {
        throw new CairnError('INVALID_ARGUMENT', `max: the pool ${pool.label} cannot grow from ${pool.max} to ${max} connections: there is room for ${Math.max(0, room)} more, of the server's connections and maxTotal. Make another pool smaller, or raise max_connections.`, {
          details: { field: 'max', pool: pool.label, max: pool.max, room: Math.max(0, room) },
        })
      }
    }
    await this.#apply(pool, max, 'asked')
  }

  async #look(): Promise<void> {
    const now = performance.now()
    let room: number | undefined
    for (const pool of this.#deps.pools()) {
      const { open, waiting } = pool.status()
      const peak = pool.meter.takePeak(open - pool.status().idle)
      if (waiting > 0 && open >= pool.max) {
        this.#quiet.delete(pool)
        room ??= await this.#room()
        const more = Math.min(Math.ceil(pool.max / 2), waiting, room)
        if (more <= 0) continue
        room -= more
        await this.#apply(pool, pool.max + more, `${waiting} callers wait`)
      } else if (pool.max > pool.limits.max) {
        const quiet = this.#quiet.get(pool)
        if (peak > pool.max / 2) this.#quiet.delete(pool)
        else if (quiet === undefined) this.#quiet.set(pool, { since: now, peak })
        else {
          quiet.peak = Math.max(quiet.peak, peak)
          if (now - quiet.since < (this.#options.shrinkAfterMs ?? SHRINK_AFTER_MS)) continue
          this.#quiet.delete(pool)
          await this.#apply(pool, Math.max(pool.limits.max, quiet.peak, Math.ceil(pool.max / 2)), `at most ${quiet.peak} were needed`)
        }
      }
    }
  }

  async #apply(pool: PostgresPool, max: number, reason: string): Promise<void> {
    const from = pool.max
    if (max === from) return
    await pool.resize(max)
    this.#deps.log.info({ pool: pool.label, from, to: pool.max, reason }, 'a pool has another size')
  }

  /** How many connections the pools may grow by, all together. */
  async #room(): Promise<number> {
    const pools = this.#deps.pools().map((pool) => ({ max: pool.max, open: pool.status().open }))
    const promised = pools.reduce((sum, { max, open }) => sum + Math.max(0, max - open), 0)
    const mine = pools.reduce((sum, { max }) => sum + max, BESIDES_POOLS)
    const { usable, taken } = await this.#ask()
    return Math.min((this.#options.maxTotal ?? Infinity) - mine, Math.floor(usable * SHARE_OF_SERVER) - taken - promised)
  }

  async #ask(): Promise<{ usable: number; taken: number }> {
    const config = this.#deps.server()
    const client = new pg.Client(config)
    client.on('error', () => {})
    try {
      await client.connect()
      const { rows } = await client.query<{ usable: number; taken: number }>(SERVER_ROOM)
      return rows[0] ?? { usable: 0, taken: 0 }
    } catch (error) {
      throw toConnectError(error, targetOf(config))
    } finally {
      await client.end().catch(() => {})
    }
  }
}
