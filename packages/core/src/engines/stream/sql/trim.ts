import { MAINTENANCE } from '../../../identity/index.ts'
import type { SqlEngine } from '../../sql/index.ts'
import { DROP_BULK, DROP_OLD, DROP_SURPLUS, SELECT_LIMITED_STREAMS, SELECT_LIMITS } from './stream-queries.ts'

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
  if (limits.maxMessages !== null) await sql.query(MAINTENANCE, DROP_SURPLUS, [stream, limits.maxMessages])
  if (limits.maxBytes !== null) await sql.query(MAINTENANCE, DROP_BULK, [stream, limits.maxBytes])
}

export async function trimStreams(sql: SqlEngine): Promise<void> {
  const { rows } = await sql.query<{ name: string }>(MAINTENANCE, SELECT_LIMITED_STREAMS)
  for (const { name } of rows) await trimStream(sql, name)
}
