import type { RecallContribution, RecallWeights, RecalledMemory } from './types.ts'

const DAY_MS = 86_400_000
export const HALF_LIFE_DAYS = 30

/** So many are ranked for `shown` that are given back, for one further down may come up by its weight. */
export function weighedOver(shown: number): number {
  return Math.max(100, 4 * shown)
}

/**
 * Ranked anew with what the caller weighs in. A weight of 1 is worth as much as the best of `items` is ahead of the last one: a memory of importance 1 is
 * raised by that, one of importance 0.5 by half of it. Both are contributions in the explanation, which goes on adding up to the score. Recency is
 * 0.5^(age ÷ half-life), counted from `at`.
 */
export function weighed(items: readonly RecalledMemory[], weights: RecallWeights, at: Date): RecalledMemory[] {
  const { importance = 0, recency = 0, halfLifeDays = HALF_LIFE_DAYS } = weights
  const scores = items.map(({ score }) => score)
  const range = Math.max(...scores) - Math.min(...scores)
  const worth = range > 0 ? range : 1
  return items
    .map(({ memory, score, explanation }): RecalledMemory => {
      const age = Math.max(0, at.getTime() - memory.occurredAt.getTime()) / DAY_MS
      const added: RecallContribution[] = [
        { feature: 'importance', value: memory.importance, contribution: importance * worth * memory.importance },
        { feature: 'recency', value: 0.5 ** (age / halfLifeDays), contribution: recency * worth * 0.5 ** (age / halfLifeDays) },
      ].filter(({ contribution }) => contribution !== 0)
      const contributions = [...explanation.contributions, ...added].toSorted((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution))
      return { memory, score: added.reduce((sum, { contribution }) => sum + contribution, score), explanation: { ...explanation, contributions } }
    })
    .toSorted((a, b) => b.score - a.score)
}
