export { CollaborationService } from './collaboration-service.ts'
export { CollaborationUpkeep } from './upkeep.ts'
export { fuseInsights, tokenSimilarity, vectorSimilarity } from './fusion/index.ts'
export type { FuseWith, Fusion, FusionOptions, FusionRecommendation, FusionSide, Insight, InsightProvenance, Similarity } from './fusion/index.ts'
export { judgeTrigger } from './triggers.ts'
export type { CollaborationRequests } from './requests.ts'
export type { Fusions } from './fusions.ts'
export type { Partnerships } from './partnerships.ts'
export {
  COLLABORATION_ANSWERS, COLLABORATION_STATUSES, COLLABORATION_TRANSITIONS, FUSION_METHODS, type CollaborationAnswer, type CollaborationStatus, type FusionMethod,
} from './words.ts'
export type {
  AnswerCollaboration, AutoTriggerConditions, CollaborationActivity, CollaborationFeedback, CollaborationRequest, CollaborationRequestFilter, CollaborationTarget, Compatibility,
  CompleteCollaboration, FuseInsights, FusionFilter, FusionResult, NewCollaborationRequest, NewPartnership, PartnerProposal, Partnership, PartnershipChange, PartnershipFilter,
  PartnershipMetrics, Situation, TriggerVerdict, TriggeredCollaboration,
} from './types.ts'
