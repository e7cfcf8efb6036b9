export { PersonalityService } from './personality-service.ts'
export { PersonalityUpkeep } from './upkeep.ts'
export { deriveProfile } from './derive.ts'
export { confidenceOf, shrunk, wilsonLower } from './statistics.ts'
export { messageSignal } from './signal.ts'
export { RESPONSE_LENGTHS, SENTIMENTS, type ResponseLength, type Sentiment } from './words.ts'
export type {
  CommunicationStyle, Counts, ForgetOptions, ForgottenPersonality, GoalOrientation, InteractionFeedback, InteractionListOptions, LearnedPatterns, LearnedTopic, LearningInteraction, LearningPreferences, MotivationTrigger,
  NewInteraction, ObservedInteraction, PersonalityAudit, PersonalityExport, PersonalityPreferences, PersonalityProfile, PersonalityUser, PersonalityVersion, PrunePersonality, RatedShare, ResponsePatterns, StatedOrLearned, UserSettings,
} from './types.ts'
