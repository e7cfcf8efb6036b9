/** A candidate that was chosen, how like the likest of those above it is, and what that took from its score. */
export interface Chosen {
  readonly index: number
  /** 0 to 1: shared terms against all of both. */
  readonly likeness: number
  readonly penalty: number
}

/** Only so many times the limit are looked at: what stands further down does not come up by being different. */
const LOOK_AHEAD = 5
/** At `diversity` 1 a repetition falls by twice the difference between the first and the last looked at: below all of them. */
const WORTH = 2
const LEAST_SPREAD = 1e-6

/**
 * Maximal marginal relevance: one after the other, the candidate whose score less 2 × `diversity` × likeness × spread is the
 * largest. `order` has the indexes by score. The first stays first, and penalised scores never rise from one to the next.
 */
export function diversify(order: readonly number[], scores: readonly number[], terms: readonly ReadonlySet<string>[], limit: number, diversity: number): Chosen[] {
  const left = order.slice(0, limit * LOOK_AHEAD)
  const spread = Math.max(LEAST_SPREAD, (scores[left[0] ?? 0] ?? 0) - (scores[left.at(-1) ?? 0] ?? 0))
  const likeness = new Map(left.map((index) => [index, 0]))
  const chosen: Chosen[] = []
  while (chosen.length < limit && left.length > 0) {
    const penaltyOf = (index: number): number => WORTH * diversity * spread * (likeness.get(index) ?? 0)
    const best = left.reduce((most, index) => ((scores[index] as number) - penaltyOf(index) > (scores[most] as number) - penaltyOf(most) ? index : most))
    chosen.push({ index: best, likeness: likeness.get(best) ?? 0, penalty: penaltyOf(best) })
    left.splice(left.indexOf(best), 1)
    for (const index of left) likeness.set(index, Math.max(likeness.get(index) ?? 0, shared(terms[index], terms[best])))
  }
  return chosen
}

function shared(a: ReadonlySet<string> = new Set(), b: ReadonlySet<string> = new Set()): number {
  const both = [...a].filter((term) => b.has(term)).length
  const all = a.size + b.size - both
  return all === 0 ? 0 : both / all
}
