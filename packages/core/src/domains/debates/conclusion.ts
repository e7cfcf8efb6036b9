import type { DebateTally } from './consensus.ts'

export interface DebateCounts {
  readonly rounds: number
  readonly arguments: number
  readonly voters: number
  /** Who could vote. */
  readonly entitled: number
  readonly threshold: number
}

/** The conclusion by rule: what won, by how much, and after what. */
export function conclusionText({ winner, tie, shares, consensus }: DebateTally, counts: DebateCounts): string {
  const after = `${many(counts.rounds, 'round')} and ${many(counts.arguments, 'argument')}; ${counts.voters} of ${counts.entitled} voted, consensus ${consensus.toFixed(2)}.`
  const [first] = shares
  if (first === undefined) return `Nobody took a position, after ${after}`
  const percent = (share: number): string => `${(share * 100).toFixed(0)} %`
  if (winner !== null) return `${JSON.stringify(winner)} won with ${percent(first.share)} of the weight (${many(first.voices, 'voice')}), after ${after}`
  if (tie) {
    const equal = shares.filter(({ share }) => first.share - share < 1e-9).map(({ position }) => JSON.stringify(position))
    return `Undecided: ${equal.join(', ')} have ${percent(first.share)} of the weight each, after ${after}`
  }
  return `Undecided: ${JSON.stringify(first.position)} has ${percent(first.share)} of the weight and would need ${percent(counts.threshold)}, after ${after}`
}

function many(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`
}
