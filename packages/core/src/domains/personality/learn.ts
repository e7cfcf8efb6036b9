import { uuidv7 } from '../../ids/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { CairnError } from '../../errors/index.ts'
import { ADD_SUMS, ADD_TOPICS, GET_INTERACTION, INSERT_INTERACTION, INTERACTION_BY_KEY, SET_FEEDBACK } from './personality-queries.ts'
import { type Whose, activeProfile, addVersion, learnedNow, lockOrAddUser, lockUser } from './profile-store.ts'
import { feedbackCounts, messageSignal } from './signal.ts'
import type { Counts, LearningInteraction, ObservedInteraction } from './types.ts'
import { isLookedAt, materialChanges } from './versions.ts'
import type { Sentiment } from './words.ts'

export interface CheckedFeedback {
  readonly sentiment?: Sentiment
  readonly rating?: number
}

export interface CheckedInteraction {
  readonly message: string
  readonly response?: string | undefined
  readonly feedback: CheckedFeedback
  readonly at?: Date | undefined
  readonly key?: string | undefined
  readonly agentId: string | null
  readonly sessionId?: string | undefined
}

/** Learns from one interaction, under the lock of its user: adds to the sums, and makes a version when enough has changed. */
export async function learn(session: SqlSession, whose: Whose, given: CheckedInteraction): Promise<ObservedInteraction> {
  const user = await lockOrAddUser(session, whose)
  const state = async (learned: boolean, interactionId: string | null, newVersion: boolean): Promise<ObservedInteraction> => {
    const { sampleSize, confidence, version } = await activeProfile(session, whose)
    return { learned, interactionId, sampleSize, confidence, version, newVersion }
  }
  if (!user.learning) return state(false, null, false)
  const known = given.key === undefined ? undefined : (await session.query<{ id: string }>(INTERACTION_BY_KEY, [...whose, given.key])).rows[0]
  if (known !== undefined) return state(false, known.id, false)

  const at = given.at ?? user.now
  const signal = messageSignal({ message: given.message, ...(given.response === undefined ? {} : { response: given.response }), at }, user.timeZone)
  const judged = feedbackCounts(given.feedback.sentiment, given.feedback.rating, signal.traits)
  const [id, seq] = [uuidv7(), user.lastSeq + 1]
  const values = [id, seq, given.key ?? null, given.agentId, given.sessionId ?? null, JSON.stringify(signal), JSON.stringify(given.feedback), JSON.stringify(judged), at]
  await session.query(INSERT_INTERACTION, [...whose, ...values], { name: 'personality_interaction' })
  const sums = await addSums(session, whose, [signal.counts, judged], seq)
  await addTopics(session, whose, signal.terms, { uses: true, ...judgement(given.feedback.sentiment) })
  return state(true, id, await versionIfDue(session, whose, sums))
}

/** Replaces the feedback of an interaction; undefined when there is no such. */
export async function judge(session: SqlSession, whose: Whose, interactionId: string, feedback: CheckedFeedback): Promise<LearningInteraction | undefined> {
  if ((await lockUser(session, whose)) === undefined) return undefined
  const { rows } = await session.query<LearningInteraction & { feedbackCounts: Counts }>(GET_INTERACTION, [...whose, interactionId])
  if (rows[0] === undefined) return undefined
  const { feedbackCounts: before, ...interaction } = rows[0]
  const { signal, counted } = interaction
  const judged = feedbackCounts(feedback.sentiment, feedback.rating, signal.traits)
  await session.query(SET_FEEDBACK, [...whose, interactionId, JSON.stringify(feedback), JSON.stringify(judged)])
  if (counted) {
    await addSums(session, whose, [judged, negated(before)], 0)
    const [was, is] = [judgement(interaction.feedback.sentiment), judgement(feedback.sentiment)]
    await addTopics(session, whose, signal.terms, { positive: is.positive - was.positive, negative: is.negative - was.negative })
  }
  return { ...interaction, feedback }
}

async function versionIfDue(session: SqlSession, whose: Whose, sums: Counts): Promise<boolean> {
  const messages = sums['messages'] ?? 0
  if (!isLookedAt(messages)) return false
  const before = await activeProfile(session, whose)
  const learned = await learnedNow(session, whose, sums)
  const reasons = materialChanges({ learned: before, messages: before.snapshotSize }, { learned, messages })
  if (reasons.length === 0) return false
  await addVersion(session, whose, learned, messages, reasons)
  return true
}

async function addSums(session: SqlSession, whose: Whose, parts: readonly Counts[], seq: number): Promise<Counts> {
  const more: Record<string, number> = {}
  for (const part of parts) for (const [name, n] of Object.entries(part)) more[name] = (more[name] ?? 0) + n
  const { rows } = await session.query<{ sums: Counts }>(ADD_SUMS, [...whose, JSON.stringify(more), seq], { name: 'personality_sums' })
  if (rows[0] === undefined) throw new CairnError('NOT_FOUND', `The profile of ${JSON.stringify(whose[1])} was removed while it was learned. Try again.`, { details: { userId: whose[1] } })
  return rows[0].sums
}

async function addTopics(session: SqlSession, whose: Whose, terms: Counts, more: { uses?: boolean; positive: number; negative: number }): Promise<void> {
  const names = Object.keys(terms)
  const { uses = false, positive, negative } = more
  if (names.length === 0 || (!uses && positive === 0 && negative === 0)) return
  const each = (n: number): number[] => names.map(() => n)
  await session.query(ADD_TOPICS, [...whose, names, names.map((name) => (uses ? (terms[name] as number) : 0)), each(uses ? 1 : 0), each(positive), each(negative)], { name: 'personality_add_topics' })
}

function judgement(sentiment: Sentiment | undefined): { positive: number; negative: number } {
  return { positive: sentiment === 'positive' ? 1 : 0, negative: sentiment === 'negative' ? 1 : 0 }
}

function negated(counts: Counts): Counts {
  return Object.fromEntries(Object.entries(counts).map(([name, n]) => [name, -n]))
}
