import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { SqlEngine, SqlSession } from '../../engines/sql/index.ts'
import { CairnError } from '../../errors/index.ts'
import { OWNER, type TenantIdentity } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { AckBatch } from './ack-batch.ts'
import { LostClaims } from './lost-claims.ts'
import { SendBatch } from './send-batch.ts'
import { AGENT_ID, ENSURE_PARTITIONS } from './send-queries.ts'
import { isUuid } from '../../checks/index.ts'
import { Waiters } from './waiters.ts'

const PARTITIONS_EVERY_MS = 3_600_000
const READERS_END_MS = 5_000

/** What the message services of one tenant share on one engine, however many `cairn.as` made. */
export class MessageRoom {
  readonly sql: SqlEngine
  readonly identity: TenantIdentity
  readonly log: Logger
  readonly waiters: Waiters
  readonly sends: SendBatch
  readonly acks: AckBatch
  readonly lostClaims: LostClaims
  /** Inboxes that are being read: they end when the room closes. */
  readonly closing = new AbortController()
  readonly inboxes = new Set<Promise<unknown>>()
  /** By tenant and key, of all tenants of the engine: a cache takes its room at once. Agents are never deleted and keep their keys. */
  readonly #agentIds: LRUCache<string, string>
  #partitionsAt = -Infinity

  constructor(context: DomainContext, agentIds: LRUCache<string, string>) {
    this.#agentIds = agentIds
    this.sql = context.sql
    this.log = context.log
    this.identity = { role: 'application', tenant: context.identity.tenant, actor: { kind: 'service', id: 'messages' } }
    this.waiters = new Waiters(this.sql, this.identity, this.log)
    this.sends = new SendBatch(this)
    this.acks = new AckBatch(this.sql, this.identity)
    this.lostClaims = new LostClaims(this)
  }

  get tenant(): string {
    return this.identity.tenant
  }

  assertOpen(): void {
    if (this.closing.signal.aborted) throw new CairnError('CLOSED', 'Cairn has been closed.')
  }

  /**
   * The agent's id from its id or key; an id need not exist, so that the statement that uses it must tell. In a caller's transaction
   * it is asked there: an engine with one connection has no other. AGENT_NOT_FOUND.
   */
  async agentId(idOrKey: string, tx?: SqlSession): Promise<string> {
    if (isUuid(idOrKey)) return idOrKey.toLowerCase()
    // No tenant has a space in its name.
    const place = `${this.tenant} ${idOrKey}`
    const known = this.#agentIds.get(place)
    if (known !== undefined) return known
    const values = [this.tenant, idOrKey]
    const { rows } = await (tx === undefined ? this.sql.query<{ id: string }>(this.identity, AGENT_ID, values, { name: 'messages_agent' }) : tx.query<{ id: string }>(AGENT_ID, values))
    const found = rows[0]?.id
    if (found === undefined) throw this.noAgent(idOrKey)
    // What a transaction sees may be rolled back.
    if (tx === undefined) this.#agentIds.set(place, found)
    return found
  }

  noAgent(idOrKey: string): CairnError {
    return new CairnError('AGENT_NOT_FOUND', `No agent with the id or key ${JSON.stringify(idOrKey)} exists in tenant "${this.tenant}". Register it with agents.register, or check the id and the tenant.`, {
      details: { agentId: idOrKey, tenant: this.tenant },
    })
  }

  /** Partitions of the current month and of those to come; asks the database at most once an hour. */
  async ensurePartitions(): Promise<void> {
    if (performance.now() - this.#partitionsAt < PARTITIONS_EVERY_MS) return
    this.#partitionsAt = performance.now()
    await this.sql.query(OWNER, ENSURE_PARTITIONS, [3])
  }

  async close(): Promise<void> {
    this.closing.abort()
    await this.sends.settled()
    await this.waiters.close()
    // A reader that never asks again would hold up the end: what it has taken is handed out again when the lease is over.
    await Promise.race([Promise.allSettled(this.inboxes), sleep(READERS_END_MS, undefined, { ref: false })])
    await this.acks.settled()
    await this.lostClaims.giveBack().catch((error: unknown) => this.log.debug({ err: error }, 'messages whose claim was lost were left to their lease'))
  }
}

interface RoomsOfEngine {
  readonly byTenant: Map<string, MessageRoom>
  readonly agentIds: LRUCache<string, string>
}

const rooms = new WeakMap<SqlEngine, RoomsOfEngine>()

export function roomOf(context: DomainContext): MessageRoom {
  const ofEngine = rooms.get(context.sql) ?? { byTenant: new Map(), agentIds: new LRUCache({ max: 50_000 }) }
  rooms.set(context.sql, ofEngine)
  let room = ofEngine.byTenant.get(context.identity.tenant)
  if (room === undefined) ofEngine.byTenant.set(context.identity.tenant, (room = new MessageRoom(context, ofEngine.agentIds)))
  return room
}

/** Ends every inbox on the engine: what was not handed out goes back. Part of closing. */
export async function closeMessages(sql: SqlEngine): Promise<void> {
  await Promise.all([...(rooms.get(sql)?.byTenant.values() ?? [])].map((room) => room.close()))
  rooms.delete(sql)
}
