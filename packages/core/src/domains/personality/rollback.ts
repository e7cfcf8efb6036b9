import type { SqlSession } from '../../engines/sql/index.ts'
import { CairnError } from '../../errors/index.ts'
import { EXCLUDE, ROLLBACK_TARGET, SET_PROFILE } from './personality-queries.ts'
import { type Whose, addVersion, learnedNow, learnedValues, lockUser } from './profile-store.ts'
import type { Counts } from './types.ts'

/** False when there is no such version. */
export async function rollBack(session: SqlSession, whose: Whose, version: number): Promise<boolean> {
  const user = await lockUser(session, whose)
  if (user === undefined) return false
  const target = (await session.query<{ excluded: string; possible: boolean }>(ROLLBACK_TARGET, [...whose, version])).rows[0]
  if (target === undefined) return false
  if (!target.possible) {
    throw new CairnError('ROLLBACK_IMPOSSIBLE', `version: interactions that version ${version} of the profile needs are deleted by retention (those up to number ${user.prunedSeq}). Roll back to a newer version.`, {
      details: { version, deletedUpTo: user.prunedSeq },
    })
  }
  // The new version comes first, so that the sample sizes of the old ones stay what they were.
  const before = await learnedNow(session, whose, user.sums)
  await addVersion(session, whose, before, 0, [`rollback to version ${version}`], version)
  const { rows } = await session.query<{ sums: Counts }>(EXCLUDE, [...whose, target.excluded])
  const sums = rows[0]?.sums ?? {}
  await session.query(SET_PROFILE, [...whose, ...learnedValues(await learnedNow(session, whose, sums)), sums['messages'] ?? 0])
  return true
}
