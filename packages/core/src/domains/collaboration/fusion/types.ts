import type { FusionMethod } from '../words.ts'

/** What one agent thinks. */
export interface Insight {
  /** Who says it: id, key or any name, 1..255 characters. */
  readonly agent: string
  /** 1..20,000 characters. */
  readonly content: string
  /** What it votes for; insights with the same position agree, whatever the case and the spaces. @default the content */
  readonly position?: string
  /** 0..1. @default 0.5 */
  readonly confidence?: number
  /** More than 0; only the relation to the other weights matters. @default 1 */
  readonly weight?: number
  /** For `ranked`: positions, the best first, each once. @default its position alone */
  readonly ranking?: readonly string[]
  readonly evidence?: readonly string[]
  readonly recommendations?: readonly string[]
}

export interface FusionOptions {
  /** @default 'weighted_consensus' */
  readonly method?: FusionMethod
  /** For `semantic`: insights at least this similar belong together, 0..1. @default 0.5 with tokens, 0.75 with vectors */
  readonly threshold?: number
}

/** One side: what it says, and how much stands behind it. */
export interface FusionSide {
  readonly position: string
  /** The insight that speaks for it: the one with the greatest weight times confidence. */
  readonly content: string
  /** Of all support, 0..1. */
  readonly share: number
  readonly agents: readonly string[]
}

export interface FusionRecommendation {
  readonly text: string
  /** Of the weight of all insights, that of those which recommend it. */
  readonly support: number
  readonly agents: readonly string[]
}

/** Where an insight ended. */
export interface InsightProvenance {
  /** Its place in the insights given. */
  readonly index: number
  readonly agent: string
  readonly position: string
  /** Of all support, what it gave to its side. */
  readonly share: number
  /** Whether its side won. */
  readonly agrees: boolean
}

export interface Fusion {
  readonly method: FusionMethod
  readonly unifiedInsight: string
  readonly position: string
  /** 0..1; 1 when all agree. */
  readonly consensusLevel: number
  readonly confidence: number
  readonly insightQuality: number
  readonly actionability: number
  /** All sides, the winner first. */
  readonly sides: readonly FusionSide[]
  readonly recommendations: readonly FusionRecommendation[]
  /** The sides that lost. */
  readonly conflicts: readonly FusionSide[]
  readonly provenance: readonly InsightProvenance[]
}
