/** How events leave. All have defaults; see `open({ events })`. */
export interface EventOptions {
  /** Whether this process may relay the outbox to JetStream; one process at a time does. @default true */
  readonly relay: boolean
  /** A relay that is silent for this long is replaced by another process. @default 5000 */
  readonly relayLeaseMs: number
  /**
   * Whether JetStream copies changes of state into the stream AGENT_STATE: from the first reader of them on, always, or never.
   * The cost is one more stored message a write. @default 'on-demand'
   */
  readonly captureState: 'on-demand' | 'always' | 'off'
  /** `file`: messages survive a restart of nats-server, and writing them costs more. @default 'memory' (S4 §11.1) */
  readonly messagesStorage: 'memory' | 'file'
}

export const EVENT_DEFAULTS: EventOptions = Object.freeze({ relay: true, relayLeaseMs: 5_000, captureState: 'on-demand', messagesStorage: 'memory' })
