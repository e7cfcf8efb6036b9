import * as z from 'zod'
import { check, invalid, isUuid, jsonObject, jsonText, text } from '../../checks/index.ts'
import type { InteractionFeedback, NewInteraction, PersonalityPreferences, PrunePersonality, UserSettings } from './types.ts'
import { RESPONSE_LENGTHS, SENTIMENTS, type Sentiment } from './words.ts'

const FIRST_MS = Date.UTC(1970, 0, 1)
const LAST_MS = Date.UTC(9999, 0, 1)

const time = z.union([z.date(), z.iso.datetime({ offset: true })], 'is not a Date or a time with its offset (2026-03-29T02:30:00Z)').transform((value, context) => {
  const at = new Date(value)
  if (!(at.getTime() >= FIRST_MS && at.getTime() <= LAST_MS)) context.addIssue('is not a time from 1970 to 9999')
  return at
})

const feedback = z.strictObject({ sentiment: z.enum(SENTIMENTS).optional(), rating: z.number().int().min(1).max(5).optional() })

const interaction = z.strictObject({
  message: text(1, 100_000),
  response: text(0, 1_000_000).optional(),
  feedback: feedback.optional(),
  at: time.optional(),
  key: text(1, 255).optional(),
  agent: text(1, 255).optional(),
  sessionId: text(1, 255).optional(),
})

const short = text(1, 255)
const preferences = z.strictObject({
  responseLength: z.enum(RESPONSE_LENGTHS).nullable().optional(),
  formality: z.number().min(0).max(1).nullable().optional(),
  emoji: z.boolean().nullable().optional(),
  lists: z.boolean().nullable().optional(),
  code: z.boolean().nullable().optional(),
  examples: z.boolean().nullable().optional(),
  language: short.nullable().optional(),
  tone: short.nullable().optional(),
  topics: z.array(short).max(100).nullable().optional(),
  avoidTopics: z.array(short).max(100).nullable().optional(),
  other: jsonObject.nullable().optional(),
})

const settings = z.strictObject({ timeZone: text(1, 64).optional(), learning: z.boolean().optional() })
const whole = (min: number, max: number) => z.number().int().min(min).max(max)
const pruning = z.strictObject({ olderThanDays: whole(1, 36_500).default(180), keepInteractions: whole(0, 1_000_000).default(1000), keepVersions: whole(1, 1000).default(50) })
const forgetting = z.strictObject({ stopLearning: z.boolean().default(false) })

export const checkUser = (userId: unknown): string => check(text(1, 255), userId, 'userId')
export const checkInteraction = (input: NewInteraction) => check(interaction, input, 'interaction')
export const checkVersion = (version: unknown): number => check(whole(1, 2_147_483_647), version, 'version')
export const checkPruning = (options: PrunePersonality) => check(pruning, options, 'options')
export const checkForgetting = (options: unknown) => check(forgetting, options, 'options')

export type PreferencesPatch = { readonly [Name in keyof PersonalityPreferences]: PersonalityPreferences[Name] | null }

/** What is given, beside what there was; null takes one back. */
export function mergedPreferences(before: PersonalityPreferences, patch: PreferencesPatch): PersonalityPreferences {
  const checked = check(preferences, patch, 'preferences')
  const merged = Object.fromEntries(Object.entries({ ...before, ...checked }).filter(([, value]) => value !== null && value !== undefined))
  jsonText('preferences', merged, 65_536)
  return merged
}

export function checkSettings(given: UserSettings) {
  const checked = check(settings, given, 'settings')
  if (checked.timeZone !== undefined && !isTimeZone(checked.timeZone)) throw invalid('timeZone', `${JSON.stringify(checked.timeZone)} is not the name of a time zone, such as Europe/Berlin or UTC`)
  return checked
}

/** With the sentiment that the rating says when none is given. */
export function checkFeedback(given: InteractionFeedback): { sentiment?: Sentiment; rating?: number } {
  const { sentiment, rating } = check(feedback, given, 'feedback')
  const said = sentiment ?? (rating === undefined ? undefined : rating > 3 ? 'positive' : rating < 3 ? 'negative' : 'neutral')
  return { ...(said === undefined ? {} : { sentiment: said }), ...(rating === undefined ? {} : { rating }) }
}

export function checkInteractionId(value: unknown): string {
  const id = check(text(1, 255), value, 'interactionId')
  if (!isUuid(id)) throw invalid('interactionId', 'is not a UUID')
  return id.toLowerCase()
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}
