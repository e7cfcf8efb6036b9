import type { PageOptions } from '../../paging/index.ts'
import type { DebateTally } from './consensus.ts'
import type { DebateEndReason, DebateMode, DebateRole, DebateStatus, DebateTurnStatus, DebateVoting } from './words.ts'

export interface NewDebateParticipant {
  /** Unique in the debate; 1..255 characters. @default `agent` as it is given */
  readonly name?: string
  /** Id or key of a registered agent. */
  readonly agent?: string
  /** A moderator speaks first in a panel; it holds no position and has no vote. @default 'speaker' */
  readonly role?: DebateRole
  /** What it stands for at the start; 1..100 characters. Each speaker of an adversarial debate needs one. */
  readonly position?: string
  /** How much its voice counts; 0.000001..1,000,000. @default 1 */
  readonly weight?: number
}

export interface DebateSettings {
  /** Rounds at most; 1..100. @default 3 */
  readonly rounds?: number
  /** `ballot`: each speaker is asked; `positions`: the last position each one stated is its vote. @default 'ballot' */
  readonly voting?: DebateVoting
  /** After a round whose stated positions agree this much (0..1, see the consensus score), the voting begins. @default never */
  readonly stopAtConsensus?: number
  /** The share of the votes' weight that the winning position needs, 0..1. @default 0: the largest share wins */
  readonly threshold?: number
  /** After this time since the start, without pauses, nobody is called any more and the stated positions are the votes. @default none */
  readonly timeBudgetMs?: number
  /** As `timeBudgetMs`, once the arguments have this many tokens. The argument that reaches it is kept. @default none */
  readonly tokenBudget?: number
  /** A call of a participant's function is given up after this. @default 120000 */
  readonly callTimeoutMs?: number
  /** Who submits from outside and does not within this time is passed over. @default never */
  readonly answerTimeoutMs?: number
  /** Failed calls of one turn before `onFailure` decides; 1..100. @default 3 */
  readonly attempts?: number
  /** `skip`: the turn is passed over; `fail`: the debate fails, until `resume`. @default 'skip' */
  readonly onFailure?: 'skip' | 'fail'
}

/** As stored: with the defaults. */
export interface DebateConfiguration {
  readonly rounds: number
  readonly voting: DebateVoting
  readonly stopAtConsensus: number | null
  readonly threshold: number
  readonly timeBudgetMs: number | null
  readonly tokenBudget: number | null
  readonly callTimeoutMs: number
  readonly answerTimeoutMs: number | null
  readonly attempts: number
  readonly onFailure: 'skip' | 'fail'
}

export interface NewDebate {
  /** Its name, unique in the tenant; 1..255 characters, not of the form of a UUID. @default the id */
  readonly key?: string
  /** 1..2000 characters. */
  readonly topic: string
  readonly problemStatement?: string
  /** @default 'structured' */
  readonly mode?: DebateMode
  /** In the order of speaking: 2 to 100 speakers; in a panel one moderator besides, or none. */
  readonly participants: readonly NewDebateParticipant[]
  readonly configuration?: DebateSettings
  /** The compression algorithm it is about. */
  readonly algorithmId?: string
  /** Compression requests it is about, up to 1000. */
  readonly compressionRequestIds?: readonly string[]
}

export interface Debate {
  readonly id: string
  readonly key: string
  readonly topic: string
  readonly problemStatement: string | null
  readonly mode: DebateMode
  readonly status: DebateStatus
  readonly configuration: DebateConfiguration
  readonly algorithmId: string | null
  /** 0..1; of the votes when completed, 0 before. */
  readonly consensusScore: number
  /** Null before the end, and when there is a tie or too little agreement. */
  readonly winningPosition: string | null
  readonly conclusion: string | null
  readonly totalArguments: number
  readonly totalTokens: number
  /** Failed calls of participants. */
  readonly orchestrationFailures: number
  readonly lastOrchestrationError: string | null
  readonly endReason: DebateEndReason | null
  readonly pausedAt: Date | null
  /** True while a process runs it. */
  readonly running: boolean
  readonly createdAt: Date
  readonly startedAt: Date | null
  readonly completedAt: Date | null
  readonly durationSeconds: number | null
  readonly updatedAt: Date
}

export interface DebateParticipant {
  /** Place in the order of speaking, from 1. */
  readonly number: number
  readonly name: string
  readonly agentId: string | null
  readonly role: DebateRole
  readonly position: string | null
  readonly weight: number
}

/** What a debate waits for: `submit` a turn, or `vote`. */
export interface DebateAwaited {
  readonly participant: string
  readonly kind: 'argument' | 'vote'
  readonly round: number | null
  readonly since: Date
}

export interface DebateWithParticipants extends Debate {
  readonly participants: readonly DebateParticipant[]
  readonly compressionRequestIds: readonly string[]
  /** The round under way or last held; 0 before the first. */
  readonly round: number
  readonly awaited: readonly DebateAwaited[]
}

export interface DebateArgument {
  readonly id: string
  /** Counts the arguments of the debate as they were stored, from 1. */
  readonly seq: number
  readonly round: number
  readonly turn: number
  readonly participant: string
  readonly position: string | null
  readonly content: string
  /** 0..1, or null when it was not said. */
  readonly confidence: number | null
  readonly evidence: readonly unknown[]
  /** The argument it answers. */
  readonly replyTo: string | null
  readonly tokens: number
  readonly createdAt: Date
}

export interface DebateRoundSummary {
  readonly arguments: number
  readonly tokens: number
  /** Of the positions stated so far. */
  readonly consensus: number
  /** Share of the weight by position. */
  readonly shares: Readonly<Record<string, number>>
}

export interface DebateRound {
  readonly id: string
  readonly number: number
  readonly startedAt: Date
  readonly endedAt: Date | null
  /** Null while the round is under way. */
  readonly summary: DebateRoundSummary | null
}

export interface DebateVote {
  readonly participant: string
  readonly status: DebateTurnStatus
  readonly position: string | null
  readonly confidence: number | null
  readonly reason: string | null
  readonly error: string | null
  readonly closedAt: Date | null
}

/** What a participant says. */
export interface DebateStatement {
  /** 1..262144 characters. */
  readonly content: string
  /** @default the one it began with */
  readonly position?: string
  /** 0..1: how sure it is; weighs its position. @default as 1 */
  readonly confidence?: number
  /** JSON, up to 256 KiB together. */
  readonly evidence?: readonly unknown[]
  /** The id of an earlier argument. @default by the mode */
  readonly replyTo?: string
  /** @default counted */
  readonly tokens?: number
}

export interface DebateBallot {
  readonly position: string
  /** 0..1. @default as 1 */
  readonly confidence?: number
  readonly reason?: string
}

interface DebateCall {
  readonly debate: Debate
  readonly participant: DebateParticipant
  /** The same at every call for this turn (or vote) of this debate, and of no other: give it to a model as an idempotency key. */
  readonly callKey: string
  /** Counts calls for this turn from 1, over all processes. */
  readonly attempt: number
  /** An earlier call was made whose end is not known, because its process died. */
  readonly uncertain: boolean
  /** What it may know: all before its turn; in a free debate, the rounds before. By round and turn. */
  readonly arguments: readonly DebateArgument[]
  readonly timeLeftMs: number | null
  /** Aborted when the call is given up. */
  readonly signal: AbortSignal
}

export interface DebateTurnContext extends DebateCall {
  readonly round: number
  readonly turn: number
  /** What it is to answer, by the mode. */
  readonly replyTo: DebateArgument | null
  readonly tokensLeft: number | null
}

export interface DebateVoteContext extends DebateCall {
  /** Positions stated in the debate, in the order of their first appearance. */
  readonly positions: readonly string[]
}

type MaybePromise<T> = T | Promise<T>

/** Text or a statement; null or undefined passes. A throw is a failed call. */
export type DebateSpeak = (context: DebateTurnContext) => MaybePromise<DebateStatement | string | null | undefined>

export interface DebateParticipantCalls {
  readonly speak: DebateSpeak
  /** A position or a ballot; null abstains. @default its last position */
  readonly vote?: (context: DebateVoteContext) => MaybePromise<DebateBallot | string | null | undefined>
  /** Its calls go through the circuit breaker of this service. @default none */
  readonly service?: string
}

export interface DebateConclusionContext {
  readonly debate: Debate
  readonly tally: DebateTally
  readonly votes: readonly DebateVote[]
  readonly arguments: readonly DebateArgument[]
  /** The text the rule gives. */
  readonly text: string
  readonly callKey: string
  readonly signal: AbortSignal
}

export interface RunDebateOptions {
  /** Writes the conclusion; when it fails, the rule does. */
  readonly conclude?: (context: DebateConclusionContext) => MaybePromise<string>
  /** Tokens of a text. @default those of o200k_base */
  readonly countTokens?: (text: string) => number
  /** A process that is silent for this long loses the debate to another; 100..3600000. @default 10000 */
  readonly leaseMs?: number
  /** How often to look for what was submitted in other processes; 10..3600000. @default 500 */
  readonly pollMs?: number
  /** How long to wait for another process that holds the debate; DEBATE_BUSY then. @default 0 */
  readonly waitMs?: number
  /** While somebody is awaited or the debate is paused: `wait`, or `return` the debate as it is. @default 'wait' */
  readonly whenWaiting?: 'wait' | 'return'
  /** Ends the run; the debate stays where it is. */
  readonly signal?: AbortSignal
}

export interface SubmitArgument extends Omit<DebateStatement, 'content'> {
  readonly participant: string
  /** Needed unless `pass`. */
  readonly content?: string
  /** Has nothing to say in this round. */
  readonly pass?: boolean
  /** Said again, it is the same argument; 1..255 characters. */
  readonly operationId?: string
}

export interface SubmitVote {
  readonly participant: string
  /** Needed unless `abstain`. */
  readonly position?: string
  readonly confidence?: number
  readonly reason?: string
  readonly abstain?: boolean
}

export interface ListDebatesOptions extends PageOptions {
  readonly status?: DebateStatus
  readonly mode?: DebateMode
  /** Debates in which this agent takes part; id or key. */
  readonly agent?: string
  readonly algorithmId?: string
}

export interface ListDebateArgumentsOptions extends PageOptions {
  readonly round?: number
  readonly participant?: string
}

export interface DebateModeStatistics {
  readonly mode: DebateMode
  readonly debates: number
  readonly completed: number
  readonly failed: number
  /** Completed with a winning position. */
  readonly decided: number
  /** Of those completed; null without any. */
  readonly averageConsensus: number | null
  readonly averageArguments: number | null
  readonly averageDurationSeconds: number | null
  readonly totalTokens: number
  readonly orchestrationFailures: number
}

export interface DebateAgentStatistics {
  readonly agentId: string
  /** Completed ones it spoke in. */
  readonly debates: number
  readonly wins: number
  readonly undecided: number
  /** wins ÷ debates with a winner; null without any. */
  readonly winRate: number | null
  readonly arguments: number
}

export interface DebateStatistics {
  readonly modes: readonly DebateModeStatistics[]
  /** Most wins first, up to 100. */
  readonly agents: readonly DebateAgentStatistics[]
}
