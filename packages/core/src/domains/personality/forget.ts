import type { SqlSession } from '../../engines/sql/index.ts'
import {
  ALL_TOPICS, DELETE_INTERACTIONS, DELETE_PROFILES, DELETE_TOPICS, DELETE_USER, LIST_INTERACTIONS, LIST_VERSIONS, SELECT_USER, SET_USER,
} from './personality-queries.ts'
import { type ProfileRow, type UserRow, type Whose, lockOrAddUser, lockUser } from './profile-store.ts'
import type { ForgottenPersonality, LearningInteraction, PersonalityExport, PersonalityProfile } from './types.ts'

/** With the user's lock, so that whoever learns at the moment is either deleted with the rest or begins with an empty profile. */
export async function forgetUser(session: SqlSession, whose: Whose, stopLearning: boolean): Promise<ForgottenPersonality> {
  const known = await lockUser(session, whose)
  const remove = async (statement: string): Promise<number> => (await session.query(statement, whose)).rowCount
  const interactions = await remove(DELETE_INTERACTIONS)
  const topics = await remove(DELETE_TOPICS)
  const versions = await remove(DELETE_PROFILES)
  await remove(DELETE_USER)
  if (stopLearning) {
    await lockOrAddUser(session, whose)
    await session.query(SET_USER, [...whose, 'UTC', false, '{}'])
  }
  return { forgotten: known !== undefined, interactions, versions, topics }
}

const EVERYTHING = 10_000_000

export async function exportUser(
  session: SqlSession, whose: Whose, profileOf: (session: SqlSession, whose: Whose) => Promise<PersonalityProfile | undefined>,
): Promise<PersonalityExport | undefined> {
  const profile = await profileOf(session, whose)
  const user = (await session.query<UserRow>(SELECT_USER, whose)).rows[0]
  if (profile === undefined || user === undefined) return undefined
  const { userId, timeZone, learning, preferences, sums } = user
  const { rows: topics } = await session.query<PersonalityExport['topics'][number]>(ALL_TOPICS, whose)
  const { rows: versions } = await session.query<ProfileRow>(LIST_VERSIONS, [...whose, null, EVERYTHING])
  const { rows: interactions } = await session.query<LearningInteraction>(LIST_INTERACTIONS, [...whose, null, EVERYTHING])
  return {
    formatVersion: 'cairn.personality/1', userId, timeZone, learning, preferences, sums, topics, profile,
    versions: versions.map(({ snapshotSize: _, lastUpdated: __, ...version }) => version), interactions,
  }
}
