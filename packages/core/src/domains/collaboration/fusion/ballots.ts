import type { Insight } from './types.ts'

/** An insight as the methods use it. */
export interface Ballot {
  readonly index: number
  readonly agent: string
  readonly content: string
  readonly position: string
  /** Positions that are one have the same name. */
  readonly side: string
  readonly confidence: number
  /** Share of the weight of all: they sum up to 1. An agent with several insights divides its weight among them. */
  readonly weight: number
  /** One vote for each agent, divided among its insights. */
  readonly vote: number
  readonly ranking: readonly string[]
  readonly evidence: readonly string[]
  readonly recommendations: readonly string[]
}

/** Positions, recommendations and agents are compared like this. */
export const folded = (text: string): string => text.normalize('NFKC').trim().replaceAll(/\s+/gu, ' ').toLowerCase()

/** Nine decimals: sums of floating point numbers that should be equal are. */
export const exactly = (value: number): number => Math.round(value * 1e9) / 1e9

/**
 * In an order that does not depend on the one given, so that all that follows does not either; weights relative to the greatest, so that it does not matter
 * by what all are multiplied.
 */
export function ballotsOf(insights: readonly Insight[]): Ballot[] {
  const greatest = Math.max(...insights.map(({ weight = 1 }) => weight))
  const several = new Map<string, number>()
  for (const { agent } of insights) several.set(agent, (several.get(agent) ?? 0) + 1)
  const raw = insights.map((insight, index) => {
    const { agent, content, position = content, confidence = 0.5, weight = 1, ranking, evidence = [], recommendations = [] } = insight
    const of = several.get(agent) as number
    return {
      index, agent, content, position, side: folded(position), confidence, weight: exactly(weight / greatest) / of, vote: 1 / of,
      ranking: (ranking ?? [position]).map(folded), evidence, recommendations, order: JSON.stringify([agent, folded(position), content, position, confidence, exactly(weight / greatest), ranking, evidence, recommendations]),
    }
  })
  raw.sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0))
  const total = raw.reduce((sum, { weight }) => sum + weight, 0)
  // Weights that are nothing beside the greatest would leave nothing to divide.
  return raw.map(({ order: _, ...ballot }) => ({ ...ballot, weight: total > 0 ? ballot.weight / total : 1 / raw.length }))
}
