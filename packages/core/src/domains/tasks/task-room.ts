import { LRUCache } from 'lru-cache'
import { OWNER, type TenantIdentity } from '../../identity/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { Ageing, waitingScores } from './ageing.ts'
import { LimitWatch } from './limit-watch.ts'
import { LostClaims } from './lost-claims.ts'
import { ENSURE_PARTITIONS } from './tasks-queries.ts'
import { Upkeep } from './upkeep.ts'
import { WakeUps } from './wake-ups.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'

const PARTITIONS_EVERY_MS = 3_600_000

interface Stoppable {
  stop(): Promise<unknown>
}

/** What the task services and workers of one tenant share on one engine, however many services `cairn.as` made. */
export class TaskRoom {
  readonly wakeUps: WakeUps
  readonly upkeep: Upkeep
  readonly limits: LimitWatch
  readonly workers = new Set<Stoppable>()
  readonly #context: DomainContext
  #lostClaims: LostClaims | undefined
  /** From the first worker that pulls on: a cache takes its room at once, and there may be many tenants. */
  #ageing: LRUCache<string, Ageing> | undefined
  #partitionsAt = -Infinity

  constructor(context: DomainContext) {
    const identity: TenantIdentity = { role: 'application', tenant: context.identity.tenant, actor: { kind: 'service', id: 'tasks' } }
    this.wakeUps = new WakeUps(context.sql, identity, context.log)
    this.#context = { ...context, identity }
    this.limits = new LimitWatch(this.#context)
    this.upkeep = new Upkeep({ sql: context.sql, identity, log: context.log }, this.wakeUps, () => this.ensurePartitions())
  }

  /** Partitions of the current month and day and of those to come; asks the database at most once an hour. */
  async ensurePartitions(): Promise<void> {
    if (performance.now() - this.#partitionsAt < PARTITIONS_EVERY_MS) return
    this.#partitionsAt = performance.now()
    await this.#context.sql.query(OWNER, ENSURE_PARTITIONS, [3, 7])
  }

  /** From the first worker that pulls on, this process does what workers need done. Returns the claims whose answer nobody got. */
  pulling(): LostClaims {
    if (this.#lostClaims === undefined) {
      this.upkeep.use()
      this.#lostClaims = new LostClaims(this.#context)
    }
    return this.#lostClaims
  }

  /** Of the workers that pull. Whoever waits for tasks hears of those that are queued again. */
  async handBackLostClaims(): Promise<void> {
    if (await this.pulling().handBack()) this.wakeUps.wake()
  }

  /** Of all workers that pull such tasks from this process. */
  ageingOf(types: readonly string[], agentId: string | null, ageMs: number): Ageing {
    this.#ageing ??= new LRUCache({ max: 200 })
    const key = JSON.stringify([[...types].sort(), agentId, ageMs])
    let ageing = this.#ageing.get(key)
    if (ageing === undefined) this.#ageing.set(key, (ageing = new Ageing(ageMs, waitingScores(this.#context, types, agentId, ageMs))))
    return ageing
  }

  async close(): Promise<void> {
    await Promise.all([...this.workers].map((worker) => worker.stop()))
    await this.upkeep.stop()
    await this.wakeUps.close()
  }
}

const rooms = new WeakMap<SqlEngine, Map<string, TaskRoom>>()

export function roomOf(context: DomainContext): TaskRoom {
  const ofEngine = rooms.get(context.sql) ?? new Map<string, TaskRoom>()
  rooms.set(context.sql, ofEngine)
  let room = ofEngine.get(context.identity.tenant)
  if (room === undefined) ofEngine.set(context.identity.tenant, (room = new TaskRoom(context)))
  return room
}

/** Stops every worker on the engine: running handlers get the time of their options to end. Part of closing. */
export async function closeTasks(sql: SqlEngine): Promise<void> {
  await Promise.all([...(rooms.get(sql)?.values() ?? [])].map((room) => room.close()))
  rooms.delete(sql)
}
