import { type Ballot, exactly } from './ballots.ts'
import type { Similarity } from './similarity.ts'

/** Insights that stand together, with the support of each. */
export interface Side {
  readonly name: string
  readonly members: readonly { readonly ballot: Ballot; readonly support: number }[]
  readonly support: number
}

/** Sides by position; each ballot gives its side what `supportOf` says. */
export function sidesByPosition(ballots: readonly Ballot[], supportOf: (ballot: Ballot) => number): Side[] {
  return grouped(ballots, (ballot) => ballot.side, supportOf)
}

/**
 * Borda: of m positions in all, the first of a ranking gets m − 1 points, the next m − 2, and so on; those that it does not name share what is left. Points
 * are multiplied by the weight of the ballot. A position that nobody holds but some rank is a side without members.
 */
export function sidesByBorda(ballots: readonly Ballot[]): Side[] {
  const positions = [...new Set(ballots.flatMap(({ side, ranking }) => [side, ...ranking]))].sort()
  const points = new Map(positions.map((name) => [name, 0]))
  for (const { ranking, weight } of ballots) {
    const rest = (positions.length - 1 - ranking.length) / 2
    for (const name of positions) {
      const place = ranking.indexOf(name)
      points.set(name, (points.get(name) as number) + weight * (place < 0 ? Math.max(0, rest) : positions.length - 1 - place))
    }
  }
  const members = grouped(ballots, ({ ranking, side }) => ranking[0] ?? side, ({ weight }) => weight)
  return positions.map((name) => ({ name, members: members.find((side) => side.name === name)?.members ?? [], support: exactly(positions.length === 1 ? 1 : (points.get(name) as number)) }))
}

/** What is as alike as the threshold, over any number of steps, is one side: this does not depend on the order. Named by its first member. */
export function sidesBySimilarity(ballots: readonly Ballot[], alike: Similarity, threshold: number): Side[] {
  const group = ballots.map((_, at) => at)
  const root = (at: number): number => (group[at] === at ? at : root(group[at] as number))
  for (let a = 0; a < ballots.length; a++) {
    for (let b = a + 1; b < ballots.length; b++) {
      if (alike((ballots[a] as Ballot).index, (ballots[b] as Ballot).index) < threshold - 1e-9) continue
      const [one, other] = [root(a), root(b)]
      group[Math.max(one, other)] = Math.min(one, other)
    }
  }
  const names = new Map(ballots.map((ballot, at) => [ballot, (ballots[root(at)] as Ballot).side]))
  const byRoot = new Map(ballots.map((ballot, at) => [ballot, String(root(at)).padStart(6, '0')]))
  return grouped(ballots, (ballot) => byRoot.get(ballot) as string, ({ weight }) => weight).map((side) => ({ ...side, name: names.get((side.members[0] as { ballot: Ballot }).ballot) as string }))
}

function grouped(ballots: readonly Ballot[], nameOf: (ballot: Ballot) => string, supportOf: (ballot: Ballot) => number): Side[] {
  const groups = new Map<string, { ballot: Ballot; support: number }[]>()
  for (const ballot of ballots) {
    const name = nameOf(ballot)
    const members = groups.get(name) ?? []
    members.push({ ballot, support: supportOf(ballot) })
    groups.set(name, members)
  }
  return [...groups].map(([name, members]) => ({ name, members, support: exactly(members.reduce((sum, { support }) => sum + support, 0)) }))
}
