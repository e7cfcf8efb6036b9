export const BREAKER_STATES = Object.freeze(['closed', 'open', 'half_open'] as const)
export type BreakerState = (typeof BREAKER_STATES)[number]

/** How a breaker decides. Stored with it, so that all processes decide alike. */
export interface BreakerConfig {
  /** Failures within `windowMs`, without a success in between, that open it. @default 5 */
  readonly failureThreshold: number
  /** Successful probes that close it again. @default 3 */
  readonly successThreshold: number
  /** How long it stays open before a probe is let through. @default 60000 */
  readonly recoveryTimeoutMs: number
  /** Failures older than this do not count. @default 60000 */
  readonly windowMs: number
  /** Probes at a time, over all processes. @default 1 */
  readonly probeLimit: number
  /** A probe without an answer for this long is given up, so that another may try. @default 30000 */
  readonly probeLeaseMs: number
  /** Each further opening without a recovery in between waits this many times longer. @default 1 */
  readonly backoffFactor: number
  /** The longest wait that `backoffFactor` leads to. @default 600000 */
  readonly maxRecoveryTimeoutMs: number
}

export const BREAKER_DEFAULTS: BreakerConfig = Object.freeze({
  failureThreshold: 5,
  successThreshold: 3,
  recoveryTimeoutMs: 60_000,
  windowMs: 60_000,
  probeLimit: 1,
  probeLeaseMs: 30_000,
  backoffFactor: 1,
  maxRecoveryTimeoutMs: 600_000,
})

export interface Breaker {
  readonly id: string
  readonly service: string
  readonly state: BreakerState
  /** Held open or closed by hand until `reset`. */
  readonly forced: boolean
  /** Failures in the window. */
  readonly recentFailures: number
  /** Failures ever recorded. */
  readonly failureCount: number
  /** Successful probes since it became half open. */
  readonly successCount: number
  readonly probesUnderWay: number
  readonly openedAt: Date | null
  /** When the next probe is let through; null when it is not open, or held open by hand. */
  readonly nextAttemptAt: Date | null
  readonly lastFailureAt: Date | null
  readonly lastFailureReason: string | null
  readonly config: BreakerConfig
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface BreakerEvent {
  readonly id: number
  readonly service: string
  readonly from: BreakerState
  readonly to: BreakerState
  readonly reason: string
  readonly actor: string
  readonly createdAt: Date
}

/** What the function called gets. */
export interface CallContext {
  /** Aborted at the time limit, and when the caller's own signal is. */
  readonly signal: AbortSignal
  /** 1 for the first try. */
  readonly attempt: number
}

export interface CallOptions {
  /** Time limit of each try; TIMEOUT afterwards. @default none */
  readonly timeoutMs?: number
  /** Tries in all. More than one only for what may safely be done twice. @default 1 */
  readonly attempts?: number
  /** Waits between tries: see `withRetry`. @default 100 and 5000 */
  readonly baseMs?: number
  readonly capMs?: number
  /** Calls of this service at a time in this process; BULKHEAD_FULL beyond `maxQueued` more that wait. @default unlimited */
  readonly maxConcurrent?: number
  /** @default 0 */
  readonly maxQueued?: number
  /** False: the breaker is neither asked nor told. @default true */
  readonly breaker?: boolean
  /** Which errors tell against the service, and may be tried again. @default all but INVALID_ARGUMENT and the caller's abort */
  readonly isFailure?: (error: unknown) => boolean
  readonly signal?: AbortSignal
}
