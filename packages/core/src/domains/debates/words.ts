/**
 * How speakers take turns. `structured`: one after the other, the same order in every round. `free`: all at once, without hearing each other within a round,
 * and whoever has nothing to say passes. `adversarial`: two sides in turn. `panel`: a moderator asks, the others answer.
 */
export const DEBATE_MODES = ['structured', 'free', 'adversarial', 'panel'] as const
export type DebateMode = (typeof DEBATE_MODES)[number]

export const DEBATE_STATUSES = ['initialized', 'active', 'voting', 'completed', 'failed', 'cancelled'] as const
export type DebateStatus = (typeof DEBATE_STATUSES)[number]

export const DEBATE_ROLES = ['speaker', 'moderator'] as const
export type DebateRole = (typeof DEBATE_ROLES)[number]

/** `pending`: not begun; `calling`: a function was called; `awaiting`: somebody is to submit it; `done`; `skipped`: passed, failed or out of time. */
export const DEBATE_TURN_STATUSES = ['pending', 'calling', 'awaiting', 'done', 'skipped'] as const
export type DebateTurnStatus = (typeof DEBATE_TURN_STATUSES)[number]

/** Why no further round was begun: all were held, agreement was reached, nobody had anything to say, or a budget was used up. */
export const DEBATE_END_REASONS = ['rounds', 'consensus', 'silence', 'time', 'tokens'] as const
export type DebateEndReason = (typeof DEBATE_END_REASONS)[number]

export const DEBATE_VOTINGS = ['ballot', 'positions'] as const
export type DebateVoting = (typeof DEBATE_VOTINGS)[number]
