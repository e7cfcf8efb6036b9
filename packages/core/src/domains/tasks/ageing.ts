import type { DomainContext } from '../domain-context.ts'
import { SCORES } from './claim-bounds.ts'
import { WAITING_SCORES } from './worker-queries.ts'

/** So long tasks wait before they age, unless another time is given. */
export const AGE_MS = 60_000
/** Of so many tasks that a worker claims, one may be of a priority that is passed over. */
const ONE_IN = 16
/** What was not claimed of that share is kept up to so many tasks. */
const MOST_KEPT = 64
/** A priority whose tasks cannot be had, because of a limit, is asked for again after so long, and then less and less often. */
const FIRST_RETRY_MS = 100
const LONGEST_RETRY_MS = 5_000

interface Level {
  readonly score: number
  /** When a task of this or a lower priority was claimed last, or none was waiting. */
  reachedAt: number
  /** When it was claimed alone last. */
  askedAt: number
  retryMs: number
  retryAt: number
}

/** A claim of one priority alone. */
export interface Share {
  readonly score: number
  readonly most: number
}

/**
 * Gives priorities that are always passed over a share of a worker's claims, a sixteenth, so that nothing waits for ever. A priority is passed over
 * when tasks of it have waited for longer than `ageMs`, and in that time higher ones alone were claimed. Where several are passed over, each in turn.
 */
export class Ageing {
  readonly #ageMs: number
  readonly #waiting: (scores: readonly number[]) => Promise<readonly number[]>
  readonly #levels: readonly Level[]
  #kept = 0

  /** `waiting` says in which of the scores tasks have waited for longer than `ageMs`, 0 of which turns all this off. */
  constructor(ageMs: number, waiting: (scores: readonly number[]) => Promise<readonly number[]>) {
    this.#ageMs = ageMs
    this.#waiting = waiting
    const now = performance.now()
    this.#levels = ageMs === 0 ? [] : SCORES.map((score) => ({ score, reachedAt: now, askedAt: now, retryMs: FIRST_RETRY_MS, retryAt: 0 }))
  }

  /** The priority that is to be claimed alone now, if any; asks nothing unless one may be passed over. */
  async due(): Promise<Share | undefined> {
    if (this.#kept < 1) return undefined
    const now = performance.now()
    const unreached = this.#levels.filter((level) => now - level.reachedAt > this.#ageMs && now >= level.retryAt)
    if (unreached.length === 0) return undefined
    const waiting = new Set(await this.#waiting(unreached.map(({ score }) => score)))
    for (const level of unreached) if (!waiting.has(level.score)) level.reachedAt = now
    const [next] = unreached.filter(({ score }) => waiting.has(score)).sort((a, b) => a.askedAt - b.askedAt)
    if (next === undefined) return undefined
    next.askedAt = now
    return { score: next.score, most: Math.floor(this.#kept) }
  }

  /** What a claim found: one of all priorities, or a share. */
  found(share: Share | undefined, tasks: readonly { readonly score: number }[]): void {
    if (this.#levels.length === 0) return
    const now = performance.now()
    if (share === undefined) {
      if (tasks.length === 0) return
      this.#kept = Math.min(MOST_KEPT, this.#kept + tasks.length / ONE_IN)
      let lowest = Number.POSITIVE_INFINITY
      for (const { score } of tasks) if (score < lowest) lowest = score
      for (const level of this.#levels) if (level.score >= lowest) level.reachedAt = now
      return
    }
    this.#kept -= tasks.length
    const level = this.#levels.find(({ score }) => score === share.score) as Level
    level.retryMs = tasks.length > 0 ? FIRST_RETRY_MS : Math.min(LONGEST_RETRY_MS, level.retryMs * 2)
    level.retryAt = tasks.length > 0 ? 0 : now + level.retryMs
  }
}

/** What `Ageing` asks, for a worker of these types. */
export function waitingScores({ sql, identity }: DomainContext, types: readonly string[], agentId: string | null, ageMs: number): (scores: readonly number[]) => Promise<readonly number[]> {
  return async (scores) => {
    const { rows } = await sql.query<{ scores: number[] }>(identity, WAITING_SCORES.text, [identity.tenant, types, agentId, scores, ageMs], { name: WAITING_SCORES.name })
    return rows[0]?.scores ?? []
  }
}
