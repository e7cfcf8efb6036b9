import { isCairnError } from '../../../errors/index.ts'
import { MAINTENANCE } from '../../../identity/index.ts'
import type { SqlEngine } from '../../sql/index.ts'
import { badTailCursor, type resolveTail } from '../stream-checks.ts'
import type { TailMessage } from '../stream-engine.ts'
import { TAIL_AFTER, TAIL_END, TAIL_LAST } from './stream-queries.ts'
import { subjectRegex } from './subject-regex.ts'
import type { WakeUp } from './wake-up.ts'

/** Messages of the log that one look reads. */
const WINDOW = 500
const FIRST_LOOK_MS = 10
const LAST_LOOK_MS = 500
/** After a failure of the database. */
const RETRY_MS = 500

const CURSOR = /^(\d{1,20})-(\d{1,19})$/

interface Place {
  readonly xid: string
  readonly sequence: number
}

type Row = Omit<TailMessage, 'cursor' | 'deliveries'> & Place & { readonly wanted?: boolean; readonly place?: unknown }

export interface TailOwner {
  readonly sql: SqlEngine
  readonly wakeUp: WakeUp
  readonly signal: AbortSignal
  track<T>(this: void, work: Promise<T>): Promise<T>
}

/** The log from a place on. The cursor is the place in the order that consumers read, so that a late commit is not passed over. */
export async function* tailSql(owner: TailOwner, stream: string, { filter, from }: ReturnType<typeof resolveTail>): AsyncGenerator<TailMessage> {
  const { sql, wakeUp, signal, track } = owner
  const regex = subjectRegex(filter)
  const read = async (text: string, values: readonly unknown[], name?: string): Promise<Row[]> => {
    for (;;) {
      try {
        return (await track(sql.query<Row>(MAINTENANCE, text, values, name === undefined ? {} : { name }))).rows
      } catch (error) {
        if (signal.aborted || isCairnError(error, 'CLOSED')) return []
        if (!isCairnError(error) || !error.retryable) throw error
        await wakeUp.wait(RETRY_MS, signal)
      }
    }
  }

  let place: Place = { xid: '0', sequence: 0 }
  if (typeof from === 'object') place = placeOf(from.after)
  else if (from !== 'all') {
    place = (await read(TAIL_END, [stream]))[0] ?? place
    if (from === 'last') for (const row of await read(TAIL_LAST, [stream, place.xid, place.sequence, regex])) yield toMessage(row)
  }
  for (let lookMs = FIRST_LOOK_MS; !signal.aborted; ) {
    const { news } = wakeUp
    const rows = await read(TAIL_AFTER, [stream, place.xid, place.sequence, regex, WINDOW], 'cairn_stream_tail')
    for (const row of rows) {
      place = { xid: row.xid, sequence: row.sequence }
      if (row.wanted !== true) continue
      if (signal.aborted) return
      yield toMessage(row)
    }
    if (rows.length > 0) {
      lookMs = FIRST_LOOK_MS
      continue
    }
    await wakeUp.wait(lookMs, signal, news)
    lookMs = Math.min(2 * lookMs, LAST_LOOK_MS)
  }
}

/** INVALID_CURSOR for text that is no place. */
export function placeOf(cursor: string): Place {
  const [, xid, sequence] = CURSOR.exec(cursor) ?? []
  // Within eight bytes, and exact as a number.
  if (xid === undefined || sequence === undefined || BigInt(xid) >= 2n ** 64n || !Number.isSafeInteger(Number(sequence))) throw badTailCursor(cursor)
  return { xid, sequence: Number(sequence) }
}

function toMessage({ xid, wanted: _, place: __, ...message }: Row): TailMessage {
  return { ...message, deliveries: 1, cursor: `${xid}-${message.sequence}` }
}
