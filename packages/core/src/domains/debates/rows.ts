import type { DebateArgument, DebateConfiguration, DebateParticipant } from './types.ts'
import type { DebateVoice } from './consensus.ts'
import type { DebateTurnStatus } from './words.ts'

/** A turn or a vote that is to be taken. */
export interface OpenTurn {
  /** The participant's number. */
  readonly participant: number
  readonly status: DebateTurnStatus
  readonly attempts: number
  readonly failures: number
  readonly openMs: number | null
}

export interface TurnRow extends OpenTurn {
  readonly turn: number
}

/** The last position that a participant stated, or the one it began with; null when it has none. Its place in `all` is by round and turn. */
export function standOf(participant: DebateParticipant, all: readonly DebateArgument[]): { position: string; confidence: number | null } | null {
  const stated = all.findLast((argument) => argument.participant === participant.name && argument.position !== null)
  if (stated !== undefined) return { position: stated.position as string, confidence: stated.confidence }
  return participant.position === null ? null : { position: participant.position, confidence: null }
}

/** The voices of the speakers as they stand. */
export function stands(participants: readonly DebateParticipant[], all: readonly DebateArgument[]): DebateVoice[] {
  return participants.flatMap((participant) => {
    const stand = participant.role === 'speaker' ? standOf(participant, all) : null
    return stand === null ? [] : [{ ...stand, weight: participant.weight }]
  })
}

export function inOrder(all: readonly DebateArgument[]): DebateArgument[] {
  return [...all].sort((a, b) => a.round - b.round || a.turn - b.turn)
}

/** The budget that is used up, if one is. */
export function spent(configuration: DebateConfiguration, now: { readonly elapsedMs: number; readonly totalTokens: number }): 'time' | 'tokens' | undefined {
  if (configuration.timeBudgetMs !== null && now.elapsedMs >= configuration.timeBudgetMs) return 'time'
  if (configuration.tokenBudget !== null && now.totalTokens >= configuration.tokenBudget) return 'tokens'
  return undefined
}
