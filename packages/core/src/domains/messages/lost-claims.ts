import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SqlEngine } from '../../engines/sql/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import { GIVE_BACK_CLAIMS } from './inbox-queries.ts'
import type { Waiters } from './waiters.ts'

interface Place {
  readonly sql: SqlEngine
  readonly identity: TenantIdentity
  readonly waiters: Waiters
  readonly closing: AbortController
}

/** By chance: claims of all processes differ. In text, as it is larger than a number can say exactly. */
export function claimToken(): string {
  return randomBytes(8).readBigInt64BE().toString()
}

/** A statement whose connection was lost may still run for so long; what it takes later lies until its lease is over. */
const SUSPECT_MS = 5_000
const EVERY_MS = 1_000
const RETRY_MS = 100

interface LostClaim {
  readonly inboxIds: readonly string[]
  readonly until: number
  looked: boolean
}

/**
 * Claims of messages whose answer did not come. The database may have carried them out: what they took would lie until its
 * lease is over, and count as handed out, though nobody has seen it.
 */
export class LostClaims {
  readonly #place: Place
  readonly #claims = new Map<string, LostClaim>()
  #watching = false

  constructor(place: Place) {
    this.#place = place
  }

  add(token: string, inboxIds: readonly string[]): void {
    this.#claims.set(token, { inboxIds, until: performance.now() + SUSPECT_MS, looked: false })
    if (!this.#watching) void this.#watch()
  }

  /** Undoes those that were not looked for yet. Rejects while the database cannot be reached, and has them still then. */
  async giveBack(): Promise<void> {
    if ([...this.#claims.values()].some(({ looked }) => !looked)) await this.#look()
  }

  /** Also for whoever never asks again; until they cannot come any more, or the room closes. */
  async #watch(): Promise<void> {
    this.#watching = true
    const { signal } = this.#place.closing
    while (this.#claims.size > 0 && !signal.aborted) {
      const reached = await this.#look().then(() => true, () => false)
      if (this.#claims.size > 0) await sleep(reached ? EVERY_MS : RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
    this.#watching = false
  }

  async #look(): Promise<void> {
    const looked = [...this.#claims]
    const now = performance.now()
    const inboxIds = [...new Set(looked.flatMap(([, claim]) => claim.inboxIds))]
    const { sql, identity, waiters } = this.#place
    const { rows } = await sql.query<{ inboxId: string; token: string }>(identity, GIVE_BACK_CLAIMS, [identity.tenant, inboxIds, looked.map(([token]) => token)])
    const found = new Set(rows.map(({ token }) => token))
    for (const [token, claim] of looked) {
      claim.looked = true
      if (found.has(token) || now > claim.until) this.#claims.delete(token)
    }
    if (rows.length > 0) waiters.stored([...new Set(rows.map(({ inboxId }) => inboxId))], false)
  }
}
