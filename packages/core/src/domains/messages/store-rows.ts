import type { SqlSession } from '../../engines/sql/index.ts'
import { SEND } from './send-queries.ts'
import type { MessageKind } from './words.ts'

/** One element of the JSON array that SEND reads; ids are resolved, texts are checked. */
export interface SendRow {
  readonly id: string
  readonly key: string | undefined
  readonly digest: string | undefined
  readonly kind: MessageKind
  readonly type: string
  readonly subject: string | undefined
  readonly payload: unknown
  readonly headers: Readonly<Record<string, string>>
  readonly priority: number
  readonly correlation: string | undefined
  readonly parent: string | undefined
  readonly reply_to: 'request' | undefined
  readonly from: string | undefined
  readonly to: string | undefined
  readonly to_type: string | undefined
  readonly channel: string | undefined
  readonly queue: string | undefined
  readonly delay_ms: number | undefined
  readonly ttl_ms: number | undefined
  readonly max_retries: number | undefined
}

export interface StoredRow {
  readonly id: string
  readonly createdAt: Date
  readonly inboxes: string[]
  readonly same: boolean | null
  readonly outcome: 'stored' | 'known' | 'full' | 'inactive' | 'pattern' | 'from' | 'to' | 'channel' | 'queue'
}

/** One statement; a row of the result for each message, in order. */
export async function storeRows(session: Pick<SqlSession, 'query'>, tenant: string, rows: readonly SendRow[]): Promise<StoredRow[]> {
  const json = JSON.stringify(rows.map((row, ord) => ({ ord, ...row })))
  return (await session.query<StoredRow>(SEND, [tenant, json], { name: 'messages_send' })).rows
}

/** A reply to a request is stored for whoever waits for it, not for an inbox. */
export function isReply(row: SendRow): boolean {
  return row.reply_to === 'request' && (row.kind === 'response' || row.kind === 'error')
}
