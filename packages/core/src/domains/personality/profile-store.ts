import { uuidv7 } from '../../ids/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { type TopicRow, deriveProfile } from './derive.ts'
import { ACTIVE_PROFILE, COUNT_USERS, END_ACTIVE, INSERT_PROFILE, INSERT_USER, LOCK_USER, TOP_TOPICS } from './personality-queries.ts'
import type { Counts, LearnedPatterns, PersonalityPreferences, PersonalityVersion } from './types.ts'

/** Whose profile: the first two parameters of every statement here. */
export type Whose = readonly [tenant: string, userId: string]

export interface UserRow {
  readonly userId: string
  readonly timeZone: string
  readonly learning: boolean
  readonly preferences: PersonalityPreferences
  readonly sums: Counts
  readonly lastSeq: number
  readonly prunedSeq: number
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly now: Date
}

export interface ProfileRow extends PersonalityVersion {
  readonly snapshotSize: number
  readonly lastUpdated: Date
}

export async function lockUser(session: SqlSession, whose: Whose): Promise<UserRow | undefined> {
  return (await session.query<UserRow>(LOCK_USER, whose, { name: 'personality_lock' })).rows[0]
}

/** The user's row, locked; made with the first version of a profile when there is none. */
export async function lockOrAddUser(session: SqlSession, whose: Whose): Promise<UserRow> {
  for (;;) {
    const found = await lockUser(session, whose)
    if (found !== undefined) return found
    // Not added: somebody else did at the same time; or it was forgotten again before it could be locked.
    if ((await session.query(INSERT_USER, whose)).rowCount > 0) {
      await addVersion(session, whose, deriveProfile({}, [], 1), 0, ['first seen'])
    }
  }
}

export async function activeProfile(session: SqlSession, whose: Whose): Promise<ProfileRow> {
  return (await session.query<ProfileRow>(ACTIVE_PROFILE, whose, { name: 'personality_active' })).rows[0] as ProfileRow
}

/** What the sums of the user say now. */
export async function learnedNow(session: Pick<SqlSession, 'query'>, whose: Whose, sums: Counts): Promise<LearnedPatterns> {
  const topics = await session.query<TopicRow>(TOP_TOPICS, whose, { name: 'personality_topics' })
  const users = await session.query<{ n: number }>(COUNT_USERS, [whose[0]], { name: 'personality_users' })
  return deriveProfile(sums, topics.rows, users.rows[0]?.n ?? 1)
}

/** A new active version; the one before stays as it is. Its sample size goes on from there. */
export async function addVersion(session: SqlSession, whose: Whose, learned: LearnedPatterns, snapshotSize: number, reasons: readonly string[], restoredFrom: number | null = null): Promise<number> {
  const before = (await session.query<{ version: number; sampleSize: number }>(END_ACTIVE, whose)).rows[0]
  const version = (before?.version ?? 0) + 1
  await session.query(INSERT_PROFILE, [...whose, uuidv7(), version, ...learnedValues(learned), before?.sampleSize ?? 0, snapshotSize, reasons, restoredFrom])
  return version
}

export function learnedValues(learned: LearnedPatterns): string[] {
  const { communicationStyle, preferredTopics, responsePatterns, motivationTriggers, learningPreferences, goalOrientation } = learned
  return [communicationStyle, preferredTopics, responsePatterns, motivationTriggers, learningPreferences, goalOrientation].map((each) => JSON.stringify(each))
}
