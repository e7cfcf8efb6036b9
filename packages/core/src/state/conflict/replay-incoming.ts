import { isCairnError } from '../../errors/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { keyOf } from '../hot-tier.ts'
import { type StateRow, storedFromRow } from '../read-path.ts'
import type { StateCore } from '../state-core.ts'
import type { StateAddress, StoredState } from '../state-entry.ts'
import { SELECT_STATE } from '../state-queries.ts'
import { environmentOf, sealed } from './conflict-writes.ts'
import type { Resolution } from './policy-types.ts'
import type { Incoming } from './resolution.ts'
import { resolve } from './resolve.ts'

/**
 * Joins a write that SQL alone acknowledged with what the hot tier holds, or with SQL's row when the key has left the hot
 * tier. Returns the outcome for the flush. Doing it twice does no harm: the value remembers the write.
 */
export async function replayIncoming(core: StateCore, session: SqlSession, address: StateAddress, incoming: Incoming, policy: Resolution): Promise<StoredState> {
  const { hot } = core
  const { rows } = await session.query<StateRow>(SELECT_STATE, [address.tenant, address.agentId, address.key], { name: 'select_state' })
  const row = rows[0] === undefined ? undefined : storedFromRow(rows[0], address)
  for (;;) {
    const entry = await hot.bucket.get(keyOf(address))
    const current = entry === undefined ? row : hot.toStored(entry, address)
    const resolved = resolve(current, incoming, policy, environmentOf(core, address, 'replay'))
    const { envelope, stored } = sealed(core, address, resolved)
    try {
      let kvRevision = await hot.bucket.put(keyOf(address), envelope, { expectedRevision: entry?.revision ?? 0 })
      // SQL counted the row's revision up by itself: the hot tier's must come after it, or the row would keep its value.
      while (hot.revisionOf(kvRevision) <= (row?.revision ?? 0)) kvRevision = await hot.bucket.put(keyOf(address), envelope, { expectedRevision: kvRevision })
      hot.seen(kvRevision)
      return { ...stored, revision: hot.revisionOf(kvRevision), kvRevision }
    } catch (error) {
      if (!isCairnError(error, 'VERSION_CONFLICT')) throw error
    }
  }
}
