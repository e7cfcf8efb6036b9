import {
  DEBATE_END_REASONS, DEBATE_MODES, DEBATE_ROLES, DEBATE_STATUSES, DEBATE_TURN_STATUSES, DEBATE_VOTINGS, type Debate as CoreDebate, type DebateArgument as CoreArgument, type DebateRound as CoreRound,
  type DebateStatistics as CoreStatistics, type DebateVote as CoreVote, type DebateWithParticipants as CoreDebateWithParticipants,
} from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, Id, Time, pageFields } from './common.ts'

const Mode = z.enum(DEBATE_MODES)
const Status = z.enum(DEBATE_STATUSES)
const TurnStatus = z.enum(DEBATE_TURN_STATUSES)
const Share = z.number().openapi({ minimum: 0, maximum: 1 })

export const DebateParam = z.object({ debate: z.string().openapi({ description: "The debate's id or key." }) })
export const DebateQuery = z.strictObject({ ...pageFields, status: Status.optional(), mode: Mode.optional(), agent: z.string().optional().openapi({ description: 'Takes part; id or key.' }), algorithmId: z.string().optional() })
export const ArgumentQuery = z.strictObject({ ...pageFields, round: z.coerce.number().int().min(1).optional().openapi({ type: 'integer', minimum: 1 }), participant: z.string().optional() })

const Configuration = z
  .object({
    rounds: Count, voting: z.enum(DEBATE_VOTINGS), stopAtConsensus: Share.nullable(), threshold: Share, timeBudgetMs: z.number().nullable(), tokenBudget: z.number().nullable(),
    callTimeoutMs: Count, answerTimeoutMs: z.number().nullable(), attempts: Count, onFailure: z.enum(['skip', 'fail']),
  })
  .openapi('DebateConfiguration')

const debate = {
  id: Id, key: z.string(), topic: z.string(), problemStatement: z.string().nullable(), mode: Mode, status: Status, configuration: Configuration, algorithmId: z.string().nullable(),
  consensusScore: Share.openapi({ description: 'Of the votes when completed, 0 before.' }), winningPosition: z.string().nullable(), conclusion: z.string().nullable(),
  totalArguments: Count, totalTokens: z.number(), orchestrationFailures: Count, lastOrchestrationError: z.string().nullable(), endReason: z.enum(DEBATE_END_REASONS).nullable(),
  pausedAt: Time.nullable(), running: z.boolean().openapi({ description: 'A process runs it at this moment.' }),
  createdAt: Time, startedAt: Time.nullable(), completedAt: Time.nullable(), durationSeconds: z.number().nullable(), updatedAt: Time,
}
export const Debate = z.object(debate).openapi('Debate') satisfies z.ZodType<Wire<CoreDebate>>

const Participant = z.object({ number: Count, name: z.string(), agentId: Id.nullable(), role: z.enum(DEBATE_ROLES), position: z.string().nullable(), weight: z.number() }).openapi('DebateParticipant')
const Awaited = z.object({ participant: z.string(), kind: z.enum(['argument', 'vote']), round: Count.nullable(), since: Time }).openapi('DebateAwaited')
export const DebateWithParticipants = z
  .object({ ...debate, participants: z.array(Participant), compressionRequestIds: z.array(z.string()), round: Count.openapi({ description: 'Under way or last held; 0 before the first.' }), awaited: z.array(Awaited) })
  .openapi('DebateWithParticipants') satisfies z.ZodType<Wire<CoreDebateWithParticipants>>

export const NewDebate = z
  .strictObject({
    key: z.string().optional(), topic: z.string(), problemStatement: z.string().optional(), mode: Mode.optional().openapi({ default: 'structured' }),
    participants: z.array(
      z.strictObject({
        name: z.string().optional(), agent: z.string().optional().openapi({ description: 'Id or key of a registered agent.' }), role: z.enum(DEBATE_ROLES).optional(), position: z.string().optional(), weight: z.number().optional(),
      }),
    ),
    configuration: z
      .strictObject({
        rounds: z.number().optional(), voting: z.enum(DEBATE_VOTINGS).optional(), stopAtConsensus: z.number().optional(), threshold: z.number().optional(), timeBudgetMs: z.number().optional(), tokenBudget: z.number().optional(),
        callTimeoutMs: z.number().optional(), answerTimeoutMs: z.number().optional(), attempts: z.number().optional(), onFailure: z.enum(['skip', 'fail']).optional(),
      })
      .optional(),
    algorithmId: z.string().optional(), compressionRequestIds: z.array(z.string()).optional(),
  })
  .openapi('NewDebate')

export const DebateArgument = z
  .object({
    id: Id, seq: Count, round: Count, turn: Count, participant: z.string(), position: z.string().nullable(), content: z.string(), confidence: Share.nullable(), evidence: z.array(z.unknown()),
    replyTo: Id.nullable(), tokens: Count, createdAt: Time,
  })
  .openapi('DebateArgument') satisfies z.ZodType<Wire<CoreArgument>>
export const SubmitArgument = z
  .strictObject({
    participant: z.string(), content: z.string().optional(), pass: z.boolean().optional().openapi({ description: 'Has nothing to say in this round.' }), position: z.string().optional(), confidence: z.number().optional(),
    evidence: z.array(z.unknown()).optional(), replyTo: z.string().optional(), tokens: z.number().optional(), operationId: z.string().optional().openapi({ description: 'Repeated, it is the same argument.' }),
  })
  .openapi('SubmitArgument')
export const SubmittedArgument = z.object({ argument: DebateArgument.nullable().openapi({ description: 'Null when it passed.' }) }).openapi('SubmittedArgument')

const Summary = z.object({ arguments: Count, tokens: z.number(), consensus: Share, shares: z.record(z.string(), z.number()) }).openapi('DebateRoundSummary')
const Round = z.object({ id: Id, number: Count, startedAt: Time, endedAt: Time.nullable(), summary: Summary.nullable() }).openapi('DebateRound') satisfies z.ZodType<Wire<CoreRound>>
export const DebateRounds = z.object({ items: z.array(Round) }).openapi('DebateRounds')
export const DebateVote = z
  .object({ participant: z.string(), status: TurnStatus, position: z.string().nullable(), confidence: Share.nullable(), reason: z.string().nullable(), error: z.string().nullable(), closedAt: Time.nullable() })
  .openapi('DebateVote') satisfies z.ZodType<Wire<CoreVote>>
export const DebateVotes = z.object({ items: z.array(DebateVote) }).openapi('DebateVotes')
export const SubmitVote = z.strictObject({ participant: z.string(), position: z.string().optional(), confidence: z.number().optional(), reason: z.string().optional(), abstain: z.boolean().optional() }).openapi('SubmitVote')
export const CancelDebate = z.strictObject({ reason: z.string().optional() }).openapi('CancelDebate')

export const DebateStatistics = z
  .object({
    modes: z.array(
      z.object({
        mode: Mode, debates: Count, completed: Count, failed: Count, decided: Count, averageConsensus: z.number().nullable(), averageArguments: z.number().nullable(), averageDurationSeconds: z.number().nullable(),
        totalTokens: z.number(), orchestrationFailures: z.number(),
      }),
    ),
    agents: z.array(z.object({ agentId: Id, debates: Count, wins: Count, undecided: Count, winRate: z.number().nullable(), arguments: Count })),
  })
  .openapi('DebateStatistics') satisfies z.ZodType<Wire<CoreStatistics>>
