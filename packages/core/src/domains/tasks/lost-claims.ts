import type { DomainContext } from '../domain-context.ts'
import { DROP_CLAIMS, END_CANCELLED, HAND_BACK_CLAIMS } from './worker-queries.ts'

/** A claim whose connection was lost may still commit for so long: longer than statements may run by default. */
const SUSPECT_MS = 60_000
const EVERY_MS = 1000

/**
 * Claims that failed without an answer. The database may have given tasks to this worker that it does not know of, and whose lease it
 * would go on renewing; they are handed back, again and again while such a claim could still commit.
 */
export class LostClaims {
  readonly #context: DomainContext
  readonly #tokens = new Map<string, { readonly workerId: string; readonly until: number }>()
  #nextAt = 0

  constructor(context: DomainContext) {
    this.#context = context
  }

  add(token: string, workerId: string): void {
    this.#tokens.set(token, { workerId, until: performance.now() + SUSPECT_MS })
    this.#nextAt = 0
  }

  /** At most once a second unless it must be `now`, and nothing while no claim was lost. True when tasks were handed back. */
  async handBack(options: { now?: boolean } = {}): Promise<boolean> {
    const now = performance.now()
    if (this.#tokens.size === 0 || (now < this.#nextAt && options.now !== true)) return false
    this.#nextAt = now + EVERY_MS
    const { identity, sql } = this.#context
    let found = 0
    for (const workerId of new Set([...this.#tokens.values()].map((claim) => claim.workerId))) {
      const tokens = [...this.#tokens].filter(([, claim]) => claim.workerId === workerId).map(([token]) => token)
      const values = [identity.tenant, workerId, tokens]
      found += (await sql.query(identity, HAND_BACK_CLAIMS, values)).rowCount
      found += (await sql.query(identity, END_CANCELLED, values)).rowCount
      await sql.query(identity, DROP_CLAIMS, values)
    }
    for (const [token, { until }] of this.#tokens) if (now > until) this.#tokens.delete(token)
    return found > 0
  }
}
