/** The scores of the five priorities, in the order in which a claim looks for them. */
export const SCORES: readonly number[] = [100, 80, 60, 40, 20]
const NOT_YET = '-infinity'
/** While there is a backlog, how often a claim looks everywhere. */
const EVERY_MS = 100
/** A look everywhere that takes longer than this is slow, because of dead rows that cannot be removed yet. */
const SLOW_MS = 10
/** Of all time, slow looks everywhere take no more than one part in so many while claims find all they can take … */
const SHARE = 20
/** … and one part in so many when they do not: what they miss may lie before their bounds. */
const IDLE_SHARE = 4

interface Seen {
  readonly type: string
  readonly score: number
  /** A time as PostgreSQL writes it, in UTC: these sort as text. */
  readonly queued: string
}

/**
 * How far a worker's claims have come in the queue, by type and score, so that they need not pass again what lies before: tasks that
 * are held, and dead rows that an open transaction keeps. Every now and then a claim looks everywhere, for what came late to an early place.
 */
export class ClaimBounds {
  readonly #types: readonly string[]
  readonly #after: string[]
  #everywhereAt = 0
  #lookMs = 0
  #wasEverywhere = true

  constructor(types: readonly string[]) {
    this.#types = types
    this.#after = types.flatMap(() => SCORES.map(() => NOT_YET))
  }

  /** What to pass to the claim; null looks everywhere. */
  next(): readonly string[] | null {
    return performance.now() >= this.#everywhereAt ? null : this.#after
  }

  /** What to pass to a claim of one score alone. */
  only(score: number): readonly string[] {
    return this.#types.flatMap(() => SCORES.map((other) => (other === score ? NOT_YET : 'infinity')))
  }

  /** A claim of up to `most` found these, and took so many ms. */
  found(bounds: readonly string[] | null, tasks: readonly Seen[], most: number, ms: number): void {
    const now = performance.now()
    this.#wasEverywhere = bounds === null
    // What a look everywhere finds is the first that can be had now: the next claims go on from there, also when it lies before the old bounds.
    if (this.#wasEverywhere) for (const seen of tasks) this.#after[this.#place(seen)] = NOT_YET
    for (const seen of tasks) {
      const place = this.#place(seen)
      if (this.#after[place] === NOT_YET || seen.queued > (this.#after[place] as string)) this.#after[place] = seen.queued
    }
    if (!this.#wasEverywhere) {
      if (tasks.length < most) this.#everywhereAt = Math.min(this.#everywhereAt, now + Math.max(EVERY_MS, this.#lookMs * (IDLE_SHARE - 1)))
      return
    }
    this.#lookMs = ms
    // A full batch may well take some time; the rest is looking.
    const slow = ms > (tasks.length === most ? 10 * SLOW_MS : SLOW_MS)
    this.#everywhereAt = now + Math.max(slow ? ms * SHARE : 0, tasks.length === most ? EVERY_MS : 0)
  }

  /** After a claim that found fewer than it could have taken: when to claim again if nothing wakes the worker, at most `pollMs`. */
  againIn(pollMs: number): number {
    return this.#wasEverywhere ? pollMs : Math.min(pollMs, Math.max(0, this.#everywhereAt - performance.now()))
  }

  #place({ type, score }: Seen): number {
    return this.#types.indexOf(type) * SCORES.length + SCORES.indexOf(score)
  }
}
