import { CairnError } from '../errors/index.ts'
import { MAINTENANCE } from '../identity/index.ts'
import { ChangeLog, type Versions } from './change-log.ts'
import { addressOf } from './hot-tier.ts'
import { storedFromRow } from './read-path.ts'
import type { StateCore } from './state-core.ts'
import type { StoredState } from './state-entry.ts'
import { scanAgent } from './scan-agent.ts'

type Page = [string, StoredState][]

const PAGE = 1000
const FEED_BATCH = 1000
/** A point is found within milliseconds even under constant writes; this ends the search when reports do not come through. */
const GIVE_UP_MS = 15_000

/**
 * All keys of an agent, deletions included, as they were at one moment, in pages of which a later one overrides an earlier one.
 * Returns the bucket revision of that moment, which lies after the call. Writers are not held up: everything is read
 * while they write, then the change feed is followed until a moment is reached at which every key that changed had a
 * revision that was read. In memory are the names of the keys and what changed meanwhile, not the values.
 *
 * Why that moment is exact: the feed is read in order, so a key's newest entry is never passed over; the reports of
 * changes tell which revision each key had when. So nothing depends on older revisions, which JetStream does not keep.
 *
 * Errors: CONNECTION_FAILED when reports of changes were missed (read again), TIMEOUT.
 */
export async function* readAgent(core: StateCore, tenant: string, agentId: string): AsyncGenerator<Page, number> {
  if (!core.hot.available) return yield* readSql(core, tenant, agentId)
  const log = new ChangeLog(core, tenant, agentId)
  let start = 0
  const release = core.holdFeed(() => start)
  try {
    start = (await core.hot.bucket.status()).lastRevision
    yield* readTiers(core, tenant, agentId)
    const { revision, entries } = await followFeed(core, tenant, agentId, log, start)
    if (entries.length > 0) yield entries
    return revision
  } finally {
    release()
    log.stop()
  }
}

async function followFeed(core: StateCore, tenant: string, agentId: string, log: ChangeLog, start: number): Promise<{ revision: number; entries: Page }> {
  const { bucket } = core.hot
  const from = (await bucket.status()).lastRevision
  const versions: Versions = new Map()
  const deadline = performance.now() + GIVE_UP_MS
  let cursor = start
  for (;;) {
    const batch = await bucket.changes(cursor, FEED_BATCH)
    for (const entry of batch.entries) {
      if (entry.key[0] !== tenant || entry.key[1] !== agentId) continue
      const address = addressOf(entry.key)
      const known = versions.get(address.key) ?? new Map<number, StoredState>()
      known.set(entry.revision, core.hot.toStored(entry, address))
      versions.set(address.key, known)
    }
    if (log.gap) throw new CairnError('CONNECTION_FAILED', `Agent ${agentId}: reports of changes were missed while it was read. Try again.`, { details: { agentId } })
    const quiet = batch.lastRevision <= cursor
    cursor = batch.cursor
    if (quiet && cursor >= from) return { revision: cursor, entries: newest(versions) }
    const moment = log.momentWithin(start, from, cursor, versions)
    if (moment !== undefined) return moment
    if (performance.now() > deadline) {
      throw new CairnError('TIMEOUT', `Agent ${agentId}: no consistent moment was found within ${GIVE_UP_MS} ms, because reports of changes do not come through. Try again.`, { details: { agentId } })
    }
  }
}

function newest(versions: Versions): Page {
  return [...versions].map(([key, byRevision]) => [key, byRevision.get(Math.max(...byRevision.keys())) as StoredState])
}

/** Hot tier first: what leaves it meanwhile is in SQL by then. */
async function* readTiers(core: StateCore, tenant: string, agentId: string): AsyncGenerator<Page> {
  const seen = new Map<string, number>()
  let page: Page = []
  for await (const entry of core.hot.bucket.list([tenant, agentId])) {
    const address = addressOf(entry.key)
    const stored = core.hot.toStored(entry, address)
    seen.set(address.key, stored.revision)
    page.push([address.key, stored])
    if (page.length < PAGE) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
  const query = <Row>(text: string, values: readonly unknown[]) => core.sql.query<Row>(MAINTENANCE, text, values)
  for await (const rows of scanAgent(query, tenant, agentId, (key, version) => version > (seen.get(key) ?? 0))) {
    // A deletion that is not flushed is in no list: it is looked up for the keys that SQL still shows.
    yield await Promise.all(
      rows.map(async (row): Promise<[string, StoredState]> => {
        const address = { tenant, agentId, key: row.key }
        const stored = storedFromRow(row, address)
        const hot = seen.has(row.key) ? undefined : await core.hot.read(address)
        return [row.key, hot !== undefined && hot.revision > stored.revision ? hot : stored]
      }),
    )
  }
}

/** While the hot tier is down, SQL alone is the state: one transaction sees it as of one moment. */
async function* readSql(core: StateCore, tenant: string, agentId: string): AsyncGenerator<Page, number> {
  await core.flusher.flushNow()
  const pages = await core.sql.transaction(
    MAINTENANCE,
    async (session) => {
      const read: Page[] = []
      const query = <Row>(text: string, values: readonly unknown[]) => session.query<Row>(text, values)
      for await (const rows of scanAgent(query, tenant, agentId)) read.push(rows.map((row) => [row.key, storedFromRow(row, { tenant, agentId, key: row.key })]))
      return read
    },
    { isolation: 'repeatable read', readOnly: true },
  )
  yield* pages
  return core.hot.lastSeen
}
