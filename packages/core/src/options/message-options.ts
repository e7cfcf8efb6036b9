/** What the upkeep of messages between agents does by itself; see `open({ messages })`. */
export interface MessageOptions {
  /**
   * Messages, receipts and resolved dead letters older than this leave, a whole month at a time, of all tenants. What still is to be
   * delivered stays. S1 keeps them for six months: 183. @default for ever
   */
  readonly keepDays?: number
}
