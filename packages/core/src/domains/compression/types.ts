import type { PageOptions } from '../../paging/index.ts'
import type { TaskPriority } from '../tasks/index.ts'
import type { CompressionAlgorithmId, CompressionGoal, CompressionOperation, CompressionStatus } from './words.ts'

/** What the calls of this tenant measured, over all processes. Null where there was no call. */
export interface CompressionPerformance {
  readonly compressions: number
  readonly decompressions: number
  /** Calls that ended in an error, of either direction. */
  readonly failures: number
  /** Plain bytes ÷ compressed bytes, over all calls. */
  readonly ratio: number | null
  /** Plain bytes taken in per second while compressing. */
  readonly compressBytesPerSecond: number | null
  /** Plain bytes given out per second while decompressing. */
  readonly decompressBytesPerSecond: number | null
  readonly lastUsedAt: Date | null
}

export interface CompressionLevelPerformance extends CompressionPerformance {
  readonly level: number
}

export interface CompressionAlgorithm {
  readonly id: CompressionAlgorithmId
  readonly name: string
  readonly category: 'store' | 'fast' | 'general' | 'dense'
  /** Null: it has no levels. */
  readonly levels: { readonly min: number; readonly max: number; readonly default: number } | null
  /** False where the Node.js in use lacks it. */
  readonly available: boolean
  readonly performance: CompressionPerformance
  /** By level, lowest first; 0 for an algorithm without levels. */
  readonly byLevel: readonly CompressionLevelPerformance[]
}

export interface CompressOptions {
  /** @default 'zstd', or 'gzip' where Node.js lacks it */
  readonly algorithm?: CompressionAlgorithmId
  /** Within the algorithm's levels. @default the algorithm's */
  readonly level?: number
}

export interface CompressedData {
  readonly data: Uint8Array
  readonly algorithm: CompressionAlgorithmId
  /** 0 for an algorithm without levels. */
  readonly level: number
  readonly plainBytes: number
  readonly bytes: number
  /** Plain bytes ÷ compressed bytes. */
  readonly ratio: number
  readonly elapsedMs: number
}

export interface DecompressOptions {
  readonly algorithm: CompressionAlgorithmId
  /** More than this is refused while it is being made. @default 67108864 (64 MiB) */
  readonly maxOutputBytes?: number
}

export interface PackOptions extends CompressOptions {
  /** Instead of an algorithm: choose one for this goal by measurement on the data. */
  readonly goal?: CompressionGoal
}

export interface UnpackOptions {
  /** @default 67108864 (64 MiB) */
  readonly maxOutputBytes?: number
}

export interface ChooseOptions {
  /** The very data, or a part that stands for it. Of more than 1 MiB, the beginning, middle and end are measured. */
  readonly sample: Uint8Array | string
  /** @default 'balanced' */
  readonly goal?: CompressionGoal
  /** @default all that are available */
  readonly algorithms?: readonly CompressionAlgorithmId[]
}

export interface CompressionMeasurement {
  readonly algorithm: CompressionAlgorithmId
  readonly level: number
  readonly plainBytes: number
  readonly bytes: number
  readonly ratio: number
  readonly compressBytesPerSecond: number
  readonly decompressBytesPerSecond: number
}

export interface CompressionChoice {
  readonly algorithm: CompressionAlgorithmId
  readonly level: number
  readonly goal: CompressionGoal
  /** Why, in a sentence with the numbers. */
  readonly reason: string
  /** Of all that were tried, best first. */
  readonly measurements: readonly CompressionMeasurement[]
}

export interface NewCompressionRequest {
  readonly data: Uint8Array | string
  /** @default 'compress' */
  readonly operation?: CompressionOperation
  /** 'auto' measures on the data, for `compress` alone. @default 'auto' */
  readonly algorithm?: CompressionAlgorithmId | 'auto'
  readonly level?: number
  /** What 'auto' looks for. @default 'balanced' */
  readonly goal?: CompressionGoal
  /** Id or key of the agent that is to execute it. @default any worker */
  readonly agent?: string
  /** @default 'normal' */
  readonly priority?: TaskPriority
  /** Of decompression: more output than this fails the request. Up to 64 MiB. @default 67108864 (64 MiB) */
  readonly maxOutputBytes?: number
  readonly metadata?: Readonly<Record<string, unknown>>
}

export interface CompressionRequest {
  readonly id: string
  readonly operation: CompressionOperation
  /** Null until measurement has chosen. */
  readonly algorithm: CompressionAlgorithmId | null
  readonly level: number | null
  readonly goal: CompressionGoal
  readonly status: CompressionStatus
  readonly inputBytes: number
  readonly outputBytes: number | null
  /** Plain bytes ÷ compressed bytes. */
  readonly ratio: number | null
  readonly inputSha256: string
  readonly outputSha256: string | null
  readonly maxOutputBytes: number
  readonly agentId: string | null
  readonly executionMs: number | null
  /** Of the whole process while it ran; several at once share it. 100 is one core. */
  readonly cpuPercent: number | null
  /** Resident memory of the process at the end. */
  readonly memoryMb: number | null
  readonly agentMetadata: Readonly<Record<string, unknown>>
  readonly metadata: Readonly<Record<string, unknown>>
  /** The measurements behind an 'auto'; {} otherwise. */
  readonly choice: Readonly<Record<string, unknown>>
  /** How often a worker began it. */
  readonly attempts: number
  readonly errorCode: string | null
  readonly errorMessage: string | null
  readonly createdAt: Date
  readonly startedAt: Date | null
  readonly completedAt: Date | null
}

export interface CompressionRequestFilter extends PageOptions {
  readonly status?: CompressionStatus
  /** Id or key. */
  readonly agent?: string
}
