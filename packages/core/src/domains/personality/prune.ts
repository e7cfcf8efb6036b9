import type { SqlSession } from '../../engines/sql/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { PRUNE_INTERACTIONS, PRUNE_TOPICS, PRUNE_UP_TO, PRUNE_VERSIONS, USERS_TO_PRUNE } from './personality-queries.ts'
import { type Whose, lockUser } from './profile-store.ts'
import type { PrunePersonality } from './types.ts'

/** Each user in a transaction of its own. */
export async function pruneUsers(
  { identity, sql }: DomainContext, { olderThanDays, keepInteractions, keepVersions }: Required<PrunePersonality>, write: <T>(work: (session: SqlSession) => Promise<T>) => Promise<T>,
): Promise<{ users: number; interactions: number; versions: number; topics: number }> {
  const { rows } = await sql.query<{ userId: string }>(identity, USERS_TO_PRUNE, [identity.tenant, olderThanDays, keepInteractions, keepVersions], { pool: 'background' })
  const done = { users: rows.length, interactions: 0, versions: 0, topics: 0 }
  for (const { userId } of rows) {
    const whose: Whose = [identity.tenant, userId]
    await write(async (session) => {
      if ((await lockUser(session, whose)) === undefined) return
      const upTo = (await session.query<{ seq: number }>(PRUNE_UP_TO, [...whose, olderThanDays, keepInteractions])).rows[0]?.seq ?? 0
      if (upTo > 0) done.interactions += (await session.query<{ n: number }>(PRUNE_INTERACTIONS, [...whose, upTo])).rows[0]?.n ?? 0
      done.topics += (await session.query(PRUNE_TOPICS, whose)).rowCount
      done.versions += (await session.query(PRUNE_VERSIONS, [...whose, keepVersions])).rowCount
    })
  }
  return done
}
