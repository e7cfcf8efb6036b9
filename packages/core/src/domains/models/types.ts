import type { PageOptions } from '../../paging/index.ts'
import type { CallOptions } from '../resilience/index.ts'
import type { ModelHealth, ModelStatus } from './words.ts'

export interface ModelFields {
  /** What the provider calls it, unique in the tenant; 1..255 characters, not of the form of a UUID. */
  readonly name: string
  /** 1..100 characters. @default 'ollama' */
  readonly provider?: string
  /** As people say it: '7B', '70B'; 1..50 characters. */
  readonly size?: string | null
  /** What it can do: 'chat', 'vision', 'embedding', …; up to 100, of 1..100 characters. @default [] */
  readonly capabilities?: readonly string[]
  /** JSON for whoever calls it: temperature, context length, URL. No secrets. @default {} */
  readonly parameters?: Readonly<Record<string, unknown>>
  /** Among models of the same health, a higher one is chosen first; -1000..1000. @default 0 */
  readonly priority?: number
  /** @default 'available' */
  readonly status?: ModelStatus
}

export interface NewModel extends ModelFields {
  /** Its name among programs, unique in the tenant; 1..255 characters, not of the form of a UUID. @default the name */
  readonly key?: string
}

export interface Model {
  readonly id: string
  readonly key: string
  readonly name: string
  readonly provider: string
  readonly size: string | null
  readonly capabilities: readonly string[]
  readonly parameters: Readonly<Record<string, unknown>>
  readonly priority: number
  readonly status: ModelStatus
  readonly health: ModelHealth
  readonly lastHealthCheck: Date | null
  readonly lastHealthError: string | null
  readonly failureCount: number
  readonly consecutiveFailures: number
  readonly lastFailureAt: Date | null
  readonly lastError: string | null
  /** Of the last calls and checks, the newer the heavier; 0..1. */
  readonly recentErrorRate: number
  /** Of successful calls, the newer the heavier; null before the first. */
  readonly recentResponseTimeMs: number | null
  /** Of all successful calls; null before the first. */
  readonly averageResponseTimeMs: number | null
  /** (calls - failures) ÷ calls; 1 before the first. */
  readonly successRate: number
  readonly totalRequests: number
  readonly totalTokens: number
  /** Slowest and fastest successful call, tokens by kind. */
  readonly performance: ModelPerformance
  readonly lastUsedAt: Date | null
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface ModelPerformance {
  readonly minResponseTimeMs?: number
  readonly maxResponseTimeMs?: number
  readonly inputTokens?: number
  readonly outputTokens?: number
}

export interface ModelFilter extends PageOptions {
  readonly provider?: string
  readonly status?: ModelStatus
  readonly health?: ModelHealth
  /** Has all of these. */
  readonly capabilities?: readonly string[]
}

export interface ChooseModel {
  /** It has all of these. */
  readonly capabilities?: readonly string[]
  readonly provider?: string
  /** Ids, keys or names of models that are not wanted, such as one that failed just now. */
  readonly except?: readonly string[]
}

export interface ModelUsage {
  readonly inputTokens?: number
  readonly outputTokens?: number
  /** @default input and output together */
  readonly totalTokens?: number
}

export interface ModelCallContext {
  readonly model: Model
  /** Aborted at the time limit, and when the caller's own signal is. */
  readonly signal: AbortSignal
  /** 1 for the first try. */
  readonly attempt: number
  /** Tells the tokens used; said again, it replaces. Else they are read from `usage` of the result. */
  usage(usage: ModelUsage): void
}

/** As of `resilience.call`; `isFailure` says which errors tell against the model. */
export type ModelCallOptions = CallOptions

export interface ModelCheck {
  readonly model: string
  readonly health: ModelHealth
  readonly responseTimeMs: number
  readonly error: string | null
}
