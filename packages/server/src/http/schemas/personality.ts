import { RESPONSE_LENGTHS, SENTIMENTS } from '@cairn/core'
import type {
  LearningInteraction as CoreInteraction, ObservedInteraction as CoreObserved, PersonalityExport as CoreExport, PersonalityProfile as CoreProfile, PersonalityUser as CoreUser,
  PersonalityVersion as CoreVersion,
} from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, Flag, Id, JsonObject, Time } from './common.ts'

const Length = z.enum(RESPONSE_LENGTHS)
const Share = z.number().openapi({ minimum: 0, maximum: 1 })
const Counts = z.record(z.string(), z.number()).openapi('PersonalityCounts', { description: 'Whole numbers by name; they are added up.' })
const Rated = z.object({ positive: Count, negative: Count, liked: Share }).openapi('RatedShare')
const unsure = z.boolean().nullable()

const learned = {
  communicationStyle: z
    .object({ formality: Share, politeness: Share, emoji: Share, exclamation: Share, questions: Share, messageWords: z.number(), messageWordsDeviation: z.number(), wordsASentence: z.number(), messageLength: Length })
    .openapi('CommunicationStyle'),
  preferredTopics: z.array(z.object({ term: z.string(), messages: Count, uses: Count, score: z.number() }).openapi('LearnedTopic')),
  responsePatterns: z
    .object({
      feedback: z.object({ positive: Count, neutral: Count, negative: Count }), rating: z.number().nullable(), ratings: Count, responses: Count, responseWords: z.number(),
      lengths: z.object({ short: Rated, medium: Rated, long: Rated }), traits: z.object({ list: Rated, code: Rated, example: Rated, question: Rated, link: Rated }),
      hours: z.array(Count).openapi({ description: 'Messages by local hour.' }), weekdays: z.array(Count).openapi({ description: 'Messages by weekday, from Sunday.' }),
      dayParts: z.object({ night: Count, morning: Count, afternoon: Count, evening: Count }), mostActive: z.enum(['night', 'morning', 'afternoon', 'evening']).nullable(),
    })
    .openapi('ResponsePatterns'),
  motivationTriggers: z.array(z.object({ term: z.string(), positive: Count, negative: Count, lift: z.number() }).openapi('MotivationTrigger')),
  learningPreferences: z.object({ responseLength: Length.nullable(), lists: unsure, code: unsure, examples: unsure, questionsBack: unsure, links: unsure }).openapi('LearningPreferences'),
  goalOrientation: z.object({ shares: z.object({ learn: Share, do: Share, solve: Share, plan: Share }), primary: z.enum(['learn', 'do', 'solve', 'plan']).nullable() }).openapi('GoalOrientation'),
}

const stated = {
  responseLength: Length, formality: z.number(), emoji: z.boolean(), lists: z.boolean(), code: z.boolean(), examples: z.boolean(), language: z.string(), tone: z.string(),
  topics: z.array(z.string()), avoidTopics: z.array(z.string()), other: JsonObject,
}
const Preferences = z.object(stated).partial().openapi('PersonalityPreferences') as unknown as z.ZodType<Wire<CoreProfile>['preferences']>
export const PreferencesPatch = z
  .strictObject(Object.fromEntries(Object.entries(stated).map(([name, schema]) => [name, (schema as z.ZodType).nullable().optional()])) as { [Name in keyof typeof stated]: z.ZodOptional<z.ZodNullable<(typeof stated)[Name]>> })
  .openapi('PersonalityPreferencesPatch', { description: 'What is left out stays; null takes one back.' })

const effective = <S extends z.ZodType>(value: S) => z.object({ value, source: z.enum(['stated', 'learned', 'default']) })

export const PersonalityProfile = z
  .object({
    profileId: Id, userId: z.string(), version: Count, sampleSize: Count, confidence: Share.openapi({ description: 'n ÷ (n + 20) for n messages.' }), timeZone: z.string(), learning: z.boolean(),
    preferences: Preferences,
    effective: z.object({
      responseLength: effective(Length), formality: effective(z.number()), emoji: effective(z.boolean()), lists: effective(z.boolean()), code: effective(z.boolean()), examples: effective(z.boolean()),
      topics: effective(z.array(z.string())),
    }),
    ...learned, lastUpdated: Time, createdAt: Time,
  })
  .openapi('PersonalityProfile') satisfies z.ZodType<Wire<CoreProfile>>

export const PersonalityVersion = z
  .object({ profileId: Id, version: Count, active: z.boolean(), sampleSize: Count, confidence: Share, preferences: Preferences, reasons: z.array(z.string()), restoredFrom: Count.nullable(), ...learned, createdAt: Time })
  .openapi('PersonalityVersion') satisfies z.ZodType<Wire<CoreVersion>>

const Feedback = { sentiment: z.enum(SENTIMENTS).optional(), rating: z.number().optional().openapi({ description: '1 to 5, whole.' }) }
export const InteractionFeedback = z.strictObject(Feedback).openapi('InteractionFeedback')
type CoreFeedback = Wire<CoreInteraction>['feedback']

export const LearningInteraction = z
  .object({
    id: Id, seq: Count, key: z.string().nullable(), agentId: Id.nullable(), sessionId: z.string().nullable(), signal: z.object({ counts: Counts, terms: Counts, traits: z.array(z.string()) }),
    feedback: z.object(Feedback).openapi('GivenFeedback') as unknown as z.ZodType<CoreFeedback>, counted: z.boolean(), observedAt: Time, createdAt: Time,
  })
  .openapi('LearningInteraction') satisfies z.ZodType<Wire<CoreInteraction>>

export const NewInteraction = z
  .strictObject({
    user: z.string().openapi({ description: 'Any id of 1 to 255 characters.' }), message: z.string().openapi({ description: 'What the user wrote. Only counts of it are kept.' }), response: z.string().optional(),
    feedback: InteractionFeedback.optional(), at: Time.optional(), key: z.string().optional(), agent: z.string().optional(), sessionId: z.string().optional(),
  })
  .openapi('NewInteraction')
export const ObservedInteraction = z
  .object({ learned: z.boolean(), interactionId: Id.nullable(), sampleSize: Count, confidence: Share, version: Count, newVersion: z.boolean() })
  .openapi('ObservedInteraction') satisfies z.ZodType<Wire<CoreObserved>>

export const PersonalityUser = z
  .object({ userId: z.string(), timeZone: z.string(), learning: z.boolean(), sampleSize: Count, version: Count, createdAt: Time, updatedAt: Time })
  .openapi('PersonalityUser') satisfies z.ZodType<Wire<CoreUser>>
export const PersonalityExport = z
  .object({
    formatVersion: z.literal('cairn.personality/1'), userId: z.string(), timeZone: z.string(), learning: z.boolean(), preferences: Preferences, sums: Counts,
    topics: z.array(z.object({ term: z.string(), uses: Count, messages: Count, positive: Count, negative: Count })), profile: PersonalityProfile, versions: z.array(PersonalityVersion),
    interactions: z.array(LearningInteraction),
  })
  .openapi('PersonalityExport') satisfies z.ZodType<Wire<CoreExport>>

export const UserSettings = z.strictObject({ timeZone: z.string().optional().openapi({ example: 'Europe/Berlin' }), learning: z.boolean().optional() }).openapi('PersonalitySettings')
export const Rollback = z.strictObject({ version: z.number() }).openapi('PersonalityRollback')
export const ForgetQuery = z.strictObject({ stopLearning: Flag.optional().openapi({ description: 'Keep the id, so that nothing is learned again.' }) })
export const Forgotten = z
  .object({ deleted: z.boolean().openapi({ description: 'False when nothing was known.' }), interactions: Count.optional(), versions: Count.optional(), topics: Count.optional() })
  .openapi('ForgottenPersonality')

export const UserParam = z.object({ user: z.string().openapi({ description: "The user's id.", example: 'ann' }) })
export const InteractionParam = UserParam.extend({ interaction: z.string().openapi({ description: "The interaction's id." }) })
