import type { FusionMethod } from '../words.ts'
import { type Ballot, ballotsOf, exactly, folded } from './ballots.ts'
import { type Side, sidesByBorda, sidesByPosition, sidesBySimilarity } from './sides.ts'
import { type Similarity, tokenSimilarity } from './similarity.ts'
import type { Fusion, FusionRecommendation, FusionSide, Insight } from './types.ts'

const RECOMMENDATIONS = 20

export interface FuseWith {
  readonly method: FusionMethod
  readonly threshold: number
  /** @default that of tokens */
  readonly similarity?: Similarity
}

/**
 * One insight from many. Pure: the order of the insights and a common factor of the weights change nothing but the places in `provenance`; of equal sides
 * the first of the alphabet wins. There must be at least one.
 */
export function fuseInsights(insights: readonly Insight[], { method, threshold, similarity }: FuseWith): Fusion {
  const ballots = ballotsOf(insights)
  const alike = similarity ?? tokenSimilarity(insights.map(({ content }) => content))
  const sides = sidesOf(method, ballots, alike, threshold).sort((a, b) => b.support - a.support || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  const total = sides.reduce((sum, { support }) => sum + support, 0)
  const share = (support: number): number => (total > 0 ? support / total : 1 / sides.length)
  const winner = sides[0] as Side
  const consensus = consensusOf(method, winner, sides, share, alike)
  const supporters = winner.members.length > 0 ? winner.members.map(({ ballot }) => ballot) : ballots
  const shown = sides.map((side) => sideOf(side, share(side.support), ballots))
  return {
    method,
    unifiedInsight: method === 'semantic' ? medoid(supporters, alike).content : (shown[0] as FusionSide).content,
    position: (shown[0] as FusionSide).position,
    consensusLevel: four(consensus),
    confidence: four(consensus * mean(supporters, ({ confidence }) => confidence)),
    insightQuality: four(mean(supporters, ({ confidence, evidence }) => 0.5 * confidence + 0.5 * (1 - 1 / (1 + evidence.length)))),
    actionability: four(mean(supporters, ({ recommendations }) => (recommendations.length > 0 ? 1 : 0))),
    sides: shown,
    recommendations: recommendationsOf(ballots),
    conflicts: shown.slice(1),
    provenance: sides
      .flatMap((side, at) => side.members.map(({ ballot, support }) => ({ index: ballot.index, agent: ballot.agent, position: ballot.position, share: four(method === 'ranked' ? ballot.weight : share(support)), agrees: at === 0 })))
      .sort((a, b) => a.index - b.index),
  }
}

function sidesOf(method: FusionMethod, ballots: readonly Ballot[], alike: Similarity, threshold: number): Side[] {
  if (method === 'ranked') return sidesByBorda(ballots)
  if (method === 'semantic') return sidesBySimilarity(ballots, alike, threshold)
  if (method === 'majority') return sidesByPosition(ballots, ({ vote }) => vote)
  return sidesByPosition(ballots, method === 'confidence_weighted' ? ({ weight, confidence }) => weight * confidence : ({ weight }) => weight)
}

/**
 * The winner's share; with `ranked` its points of all that it could have; with `semantic` the share times how alike its members are on average.
 */
function consensusOf(method: FusionMethod, winner: Side, sides: readonly Side[], share: (support: number) => number, alike: Similarity): number {
  if (method === 'ranked') return sides.length === 1 ? 1 : Math.min(1, winner.support / (sides.length - 1))
  if (method !== 'semantic') return share(winner.support)
  const { members } = winner
  let weights = 0
  let sum = 0
  for (const { ballot: a } of members) {
    for (const { ballot: b } of members) {
      weights += a.weight * b.weight
      sum += a.weight * b.weight * alike(a.index, b.index)
    }
  }
  return share(winner.support) * (weights > 0 ? sum / weights : 1)
}

function sideOf({ name, members }: Side, share: number, ballots: readonly Ballot[]): FusionSide {
  const speaker = best(members.map(({ ballot }) => ballot), ({ weight, confidence }) => weight * confidence)
  const holder = speaker ?? ballots.find(({ ranking }) => ranking.includes(name))
  const position = speaker?.side === name ? speaker.position : name
  return { position, content: speaker === undefined || speaker.side !== name ? (speaker?.content ?? `${position} (held by nobody first, ranked by ${holder?.agent ?? 'nobody'})`) : speaker.content, share: four(share), agents: [...new Set(members.map(({ ballot }) => ballot.agent))].sort() }
}

/** The member that is most alike all others of its side. */
function medoid(members: readonly Ballot[], alike: Similarity): Ballot {
  return best(members, (one) => members.reduce((sum, other) => sum + other.weight * alike(one.index, other.index), 0)) as Ballot
}

/** The first of the greatest. */
function best(ballots: readonly Ballot[], value: (ballot: Ballot) => number): Ballot | undefined {
  let found: { ballot: Ballot; value: number } | undefined
  for (const ballot of ballots) {
    const its = exactly(value(ballot))
    if (found === undefined || its > found.value) found = { ballot, value: its }
  }
  return found?.ballot
}

/** By weight; of equal ones the first of the alphabet. Those that differ in case or spaces only are one. */
function recommendationsOf(ballots: readonly Ballot[]): FusionRecommendation[] {
  const found = new Map<string, { text: string; support: number; agents: Set<string> }>()
  for (const { agent, weight, recommendations } of ballots) {
    for (const [name, text] of new Map(recommendations.map((each) => [folded(each), each.trim()] as const))) {
      const one = found.get(name) ?? { text, support: 0, agents: new Set<string>() }
      one.support += weight
      one.agents.add(agent)
      found.set(name, one)
    }
  }
  return [...found.values()]
    .map(({ text, support, agents }) => ({ text, support: four(support), agents: [...agents].sort() }))
    .sort((a, b) => b.support - a.support || (a.text < b.text ? -1 : 1))
    .slice(0, RECOMMENDATIONS)
}

function mean(ballots: readonly Ballot[], value: (ballot: Ballot) => number): number {
  const total = ballots.reduce((sum, { weight }) => sum + weight, 0)
  return total > 0 ? ballots.reduce((sum, ballot) => sum + ballot.weight * value(ballot), 0) / total : value(ballots[0] as Ballot)
}

const four = (value: number): number => Math.round(Math.min(1, Math.max(0, value)) * 10_000) / 10_000
