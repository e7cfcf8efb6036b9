import { MAINTENANCE } from '../../../identity/index.ts'
import type { SqlEngine } from '../../sql/index.ts'
import { DROP_BULK, DROP_OLD, DROP_OLD_DEAD_LETTERS, DROP_SURPLUS, SELECT_LIMITED_STREAMS, SELECT_LIMITS, SELECT_SPAN } from './stream-queries.ts'

const DEAD_LETTERS_KEPT_MS = 30 * 86_400_000
/** Ids and places are in almost the same order; this much they may differ. */
const SPAN_ROOM = 10_000

interface Limits {
  readonly maxAgeMs: number
  readonly maxMessages: number | null
  readonly maxBytes: number | null
}

/** Drops the oldest messages of a stream beyond its limits, acknowledged or not. */
export async function trimStream(sql: SqlEngine, stream: string): Promise<void> {
  const limits = (await sql.query<Limits>(MAINTENANCE, SELECT_LIMITS, [stream])).rows[0]
  if (limits === undefined) return
  if (limits.maxAgeMs > 0) await sql.query(MAINTENANCE, DROP_OLD, [stream, limits.maxAgeMs])
  if (limits.maxMessages === null && limits.maxBytes === null) return
  // Counting a stream reads all of it: only when it may be beyond its limits.
  const span = (await sql.query<{ messages: number; bytes: number }>(MAINTENANCE, SELECT_SPAN, [stream])).rows[0]
  if (span === undefined) return
  if (limits.maxMessages !== null && span.messages + SPAN_ROOM > limits.maxMessages) await sql.query(MAINTENANCE, DROP_SURPLUS, [stream, limits.maxMessages])
  if (limits.maxBytes !== null && span.bytes > limits.maxBytes) await sql.query(MAINTENANCE, DROP_BULK, [stream, limits.maxBytes])
}

export async function trimStreams(sql: SqlEngine): Promise<void> {
  const { rows } = await sql.query<{ name: string }>(MAINTENANCE, SELECT_LIMITED_STREAMS)
  for (const { name } of rows) await trimStream(sql, name)
  await sql.query(MAINTENANCE, DROP_OLD_DEAD_LETTERS, [DEAD_LETTERS_KEPT_MS])
}
