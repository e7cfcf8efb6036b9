/** A row of tx.outbox on its way. */
export interface OutboxRow {
  readonly xid: string
  readonly outboxId: number
  readonly tenant: string
  readonly msgId: string
  /** With the tenant. */
  readonly subject: string
  readonly payload: unknown
  readonly headers: Readonly<Record<string, string>>
}

/** What keeps its order: tenant and entity, whatever happened to it. */
export function keyOfRow(row: OutboxRow): string {
  return row.subject.split('.').slice(2).join('.')
}
