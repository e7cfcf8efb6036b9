import { COLLABORATION_ANSWERS, COLLABORATION_STATUSES, FUSION_METHODS, TASK_PRIORITIES } from '@cairn/core'
import type {
  CollaborationActivity as CoreActivity, CollaborationRequest as CoreRequest, Compatibility as CoreCompatibility, FusionResult as CoreFusion, PartnerProposal as CoreProposal, Partnership as CorePartnership,
  PartnershipMetrics as CoreMetrics, TriggeredCollaboration as CoreTriggered,
} from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { AgentParam, Count, Flag, Id, JsonObject, Time, pageFields, several } from './common.ts'

const Share = z.number().openapi({ minimum: 0, maximum: 1 })
const Priority = z.enum(TASK_PRIORITIES)
const Status = z.enum(COLLABORATION_STATUSES)
const Method = z.enum(FUSION_METHODS)
const texts = z.array(z.string())
const Anything = z.unknown().openapi({ description: 'Any JSON value.' })
const anAgent = z.string().openapi({ description: 'Id or key of an agent.' })

const conditions = {
  taskTypes: texts.optional(), topics: texts.optional(), minFailures: z.number().optional(), belowConfidence: z.number().optional(), minPriority: Priority.optional(), match: z.enum(['all', 'any']).optional(),
  action: z.enum(['propose', 'open']).optional(), deadlineMs: z.number().optional(),
}
const NewConditions = z.strictObject(conditions).openapi('NewAutoTriggerConditions')
const Conditions = z.object(conditions).openapi('AutoTriggerConditions') as unknown as z.ZodType<Wire<CorePartnership>['autoTrigger']>

const settings = {
  name: z.string().optional(), description: z.string().optional(), focus: texts.optional(), autoTrigger: NewConditions.optional(), maxConcurrent: z.number().optional(), active: z.boolean().optional(),
}
export const NewPartnership = z.strictObject({ key: z.string().optional(), primaryAgent: anAgent, secondaryAgent: anAgent, type: z.string(), ...settings }).openapi('NewPartnership')
export const PartnershipChange = z.strictObject(settings).openapi('PartnershipChange')
export const Partnership = z
  .object({
    id: Id, key: z.string().nullable(), primaryAgentId: Id, secondaryAgentId: Id, type: z.string(), name: z.string(), description: z.string(), focus: texts, autoTrigger: Conditions, maxConcurrent: Count,
    active: z.boolean(), total: Count, successful: Count, averageSatisfaction: z.number(), ratings: Count, averageResponseMs: z.number().nullable(), effectiveness: Share, createdAt: Time, updatedAt: Time,
  })
  .openapi('Partnership') satisfies z.ZodType<Wire<CorePartnership>>
export const PartnershipMetrics = z
  .object({
    partnershipId: Id, key: z.string().nullable(), type: z.string(), name: z.string(), primaryAgentId: Id, secondaryAgentId: Id, total: Count, successful: Count, successRate: Share.nullable(),
    averageSatisfaction: z.number(), effectiveness: Share, compatibility: Share.nullable(), averageResponseMs: z.number().nullable(), openRequests: Count, inProgress: Count, maxConcurrent: Count,
    lastCollaborationAt: Time.nullable(),
  })
  .openapi('PartnershipMetrics') satisfies z.ZodType<Wire<CoreMetrics>>
export const Compatibility = z
  .object({ agentA: Id, agentB: Id, score: Share, collaborations: Count, successes: Count, ratings: Count, averageSatisfaction: z.number().nullable() })
  .openapi('Compatibility') satisfies z.ZodType<Wire<CoreCompatibility>>
const Proposal = z
  .object({ agentId: Id, partnershipId: Id, score: Share, effectiveness: Share, compatibility: Share, matchedFocus: texts, free: Count, why: z.string() })
  .openapi('PartnerProposal') satisfies z.ZodType<Wire<CoreProposal>>
export const Proposals = z.object({ items: z.array(Proposal) }).openapi('PartnerProposals')

export const Situation = z
  .strictObject({
    agent: anAgent, taskId: z.string().optional(), taskType: z.string().optional(), topics: texts.optional(), failures: z.number().optional(), confidence: z.number().optional(), priority: Priority.optional(),
    userId: z.string().optional(), context: JsonObject.optional(), key: z.string().optional(),
  })
  .openapi('CollaborationSituation')
const Triggered = z
  .object({
    partnershipId: Id, partnerAgentId: Id, action: z.enum(['propose', 'open']), effectiveness: Share, fires: z.boolean(), reasons: texts, missing: texts, requestId: Id.nullable(), isNew: z.boolean(),
  })
  .openapi('TriggeredCollaboration') satisfies z.ZodType<Wire<CoreTriggered>>
export const TriggeredList = z.object({ items: z.array(Triggered) }).openapi('TriggeredCollaborations')

const Target = z
  .object({ agentId: Id, answer: z.enum(COLLABORATION_ANSWERS), reason: z.string().nullable(), answeredAt: Time.nullable(), contribution: Anything, rating: Count.nullable(), feedback: z.string().nullable() })
  .openapi('CollaborationTarget', { required: ['agentId', 'answer', 'reason', 'answeredAt', 'contribution', 'rating', 'feedback'] })
export const Request = z
  .object({
    id: Id, key: z.string().nullable(), requestingAgentId: Id, type: z.string(), partnershipId: Id.nullable(), userId: z.string().nullable(), sessionId: Id.nullable(), taskId: Id.nullable(), context: JsonObject,
    priority: Priority, expectedOutcome: z.string(), deadline: Time.nullable(), needed: Count, status: Status, targets: z.array(Target), participants: z.array(Id), result: Anything,
    endReason: z.string().nullable(), rating: Count.nullable(), feedback: z.string().nullable(), metadata: JsonObject, trigger: JsonObject, createdAt: Time, acceptedAt: Time.nullable(), startedAt: Time.nullable(),
    completedAt: Time.nullable(), updatedAt: Time,
  })
  .openapi('CollaborationRequest') satisfies z.ZodType<Wire<CoreRequest>>
export const NewRequest = z
  .strictObject({
    key: z.string().optional(), requestingAgent: anAgent, targets: texts, type: z.string(), partnership: z.string().optional(), userId: z.string().optional(), sessionId: z.string().optional(), taskId: z.string().optional(),
    context: JsonObject.optional(), priority: z.enum([...TASK_PRIORITIES, 'medium']).optional(), expectedOutcome: z.string().optional(), deadline: Time.optional(), deadlineMs: z.number().optional(),
    needed: z.union([z.enum(['all', 'any']), z.number()]).optional().openapi({ description: 'Answers that accept it.' }), metadata: JsonObject.optional(),
  })
  .openapi('NewCollaborationRequest')
export const Answer = z.strictObject({ agent: anAgent, accept: z.boolean(), reason: z.string().optional() }).openapi('CollaborationAnswer')
export const Completion = z.strictObject({ result: Anything.optional(), contributions: JsonObject.optional() }).openapi('CollaborationCompletion')
export const Reason = z.strictObject({ reason: z.string() }).openapi('CollaborationReason')
export const MaybeReason = z.strictObject({ reason: z.string().optional() }).openapi('CollaborationMaybeReason')
export const Feedback = z.strictObject({ rating: z.number().openapi({ description: '1 to 5, whole.' }), text: z.string().optional(), agent: anAgent.optional() }).openapi('CollaborationFeedback')
export const Activity = z
  .object({
    requestId: Id, key: z.string().nullable(), type: z.string(), status: Status, priority: Priority, requestingAgentId: Id, targetAgents: z.array(Id), participants: z.array(Id), partnershipId: Id.nullable(),
    userId: z.string().nullable(), taskId: Id.nullable(), deadline: Time.nullable(), rating: Count.nullable(), createdAt: Time, completedAt: Time.nullable(), ageMs: z.number(), fusions: Count,
  })
  .openapi('CollaborationActivity') satisfies z.ZodType<Wire<CoreActivity>>

const insight = {
  agent: z.string(), content: z.string(), position: z.string().optional(), confidence: z.number().optional(), weight: z.number().optional(), ranking: texts.optional(), evidence: texts.optional(),
  recommendations: texts.optional(),
}
const Insight = z.object(insight).openapi('Insight') as unknown as z.ZodType<Wire<CoreFusion>['insights'][number]>
const Side = z.object({ position: z.string(), content: z.string(), share: Share, agents: texts }).openapi('FusionSide')
export const Fusion = z
  .object({
    id: Id, key: z.string().nullable(), requestId: Id.nullable(), userId: z.string().nullable(), agents: texts, insights: z.array(Insight), method: Method, unifiedInsight: z.string(), position: z.string(),
    consensusLevel: Share, confidence: Share, insightQuality: Share, actionability: Share, sides: z.array(Side), recommendations: z.array(z.object({ text: z.string(), support: Share, agents: texts })),
    conflicts: z.array(Side), provenance: z.array(z.object({ index: Count, agent: z.string(), position: z.string(), share: Share, agrees: z.boolean() })), context: JsonObject, metadata: JsonObject,
    comparedBy: z.enum(['vectors', 'tokens']).nullable(), note: z.string().nullable(), processingSeconds: z.number(), createdAt: Time,
  })
  .openapi('Fusion') satisfies z.ZodType<Wire<CoreFusion>>
export const NewFusion = z
  .strictObject({
    insights: z.array(z.strictObject(insight).openapi('NewInsight')), method: Method.optional().openapi({ default: 'weighted_consensus' }), threshold: z.number().optional(), key: z.string().optional(),
    request: z.string().optional(), userId: z.string().optional(), context: JsonObject.optional(), metadata: JsonObject.optional(),
  })
  .openapi('NewFusion')

export const PartnershipQuery = z.strictObject({ ...pageFields, agent: z.string().optional(), type: z.string().optional(), active: Flag.optional() })
export const PartnersQuery = z.strictObject({ topic: several(z.string()).optional(), type: z.string().optional() })
export const RequestQuery = z.strictObject({ ...pageFields, agent: z.string().optional(), status: Status.optional(), userId: z.string().optional(), partnership: z.string().optional() })
export const FusionQuery = z.strictObject({ ...pageFields, request: z.string().optional(), method: Method.optional() })
export const PartnershipParam = z.object({ partnership: z.string().openapi({ description: "The partnership's id or key." }) })
export const RequestParam = z.object({ request: z.string().openapi({ description: "The request's id or key." }) })
export const FusionParam = z.object({ fusion: z.string().openapi({ description: "The fusion's id or key." }) })
export const PairParam = AgentParam.extend({ other: z.string().openapi({ description: "The other agent's id or key." }) })
