import { CairnError } from '../../../errors/index.ts'
import type { KvEntry } from '../../../engines/kv/index.ts'
import type { TailMessage } from '../../../engines/stream/index.ts'
import { stateMessage } from './state-event.ts'
import type { StateFeed } from './state-feed.ts'

const READ_ENTRIES = 256
const LONGEST_WAIT_MS = 1_000
/** With a third part: within the newest change of each key, behind that revision. */
const CURSOR = /^([A-Za-z0-9_-]{1,80})\.(\d{1,16})(?:\.(\d{1,16}))?$/

/** Behind all changes there are now. */
export async function endOfFeed({ bucket }: StateFeed): Promise<string> {
  return cursorOf(bucket.epoch, (await bucket.status()).lastRevision)
}

/** The same, with the newest change of each key before it. */
export function latestOfFeed(end: string): string {
  return `${end}.0`
}

/** Changes of one tenant's state after a place. */
export async function* tailFeed(feed: StateFeed, tenant: string, agent: string, start: string, signal: AbortSignal): AsyncGenerator<TailMessage> {
  let { epoch, seen } = parseFeedCursor(start)
  const { latest } = parseFeedCursor(start)
  const wanted = ({ key }: KvEntry): boolean => key[0] === tenant && (agent === '*' || key[1] === agent)
  const toMessage = (entry: KvEntry): TailMessage => ({
    ...stateMessage(entry.key, feed.revisionOf(entry), entry.deleted, { sequence: entry.revision, publishedAt: new Date(), deliveries: 1 }),
    cursor: cursorOf(epoch, entry.revision),
  })
  const release = feed.hold(() => (epoch === feed.bucket.epoch ? seen : Number.POSITIVE_INFINITY))
  try {
    if (latest !== undefined && epoch === feed.bucket.epoch) {
      const entries: KvEntry[] = []
      for await (const entry of feed.bucket.list(agent === '*' ? [tenant] : [tenant, agent])) {
        if (entry.revision > latest && entry.revision <= seen) entries.push({ ...entry, value: '' })
      }
      for (const entry of entries.sort((a, b) => a.revision - b.revision)) yield { ...toMessage(entry), cursor: `${cursorOf(epoch, seen)}.${entry.revision}` }
    }
    while (!signal.aborted) {
      const { bucket } = feed
      if (bucket.epoch !== epoch) {
        epoch = bucket.epoch
        seen = 0
      }
      const { entries, cursor } = await bucket.changes(seen, READ_ENTRIES)
      for (const entry of entries) {
        if (signal.aborted) return
        if (wanted(entry)) yield toMessage(entry)
        seen = entry.revision
      }
      seen = cursor
      if (entries.length === 0) await feed.wait(LONGEST_WAIT_MS, signal)
    }
  } finally {
    release()
  }
}

/** INVALID_CURSOR for text that is none. */
export function parseFeedCursor(text: string): { epoch: string; seen: number; latest: number | undefined } {
  const [, epoch, revision, latest] = CURSOR.exec(text) ?? []
  if (epoch === undefined) throw new CairnError('INVALID_CURSOR', `after: ${JSON.stringify(text.slice(0, 100))} is not the cursor of an event of this stream.`, { details: { field: 'after' } })
  return { epoch, seen: Number(revision), latest: latest === undefined ? undefined : Number(latest) }
}

function cursorOf(epoch: string, revision: number): string {
  return `${epoch}.${revision}`
}
