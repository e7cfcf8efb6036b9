/** The algorithms of this version, slowest last among those that compress well. Ids are stored: never rename one. */
export const COMPRESSION_ALGORITHMS = ['none', 'lz4', 'gzip', 'deflate', 'zstd', 'brotli'] as const
export type CompressionAlgorithmId = (typeof COMPRESSION_ALGORITHMS)[number]

/** What is wanted of an algorithm that is chosen by measurement: see `choose`. */
export const COMPRESSION_GOALS = ['ratio', 'speed', 'balanced'] as const
export type CompressionGoal = (typeof COMPRESSION_GOALS)[number]

export const COMPRESSION_OPERATIONS = ['compress', 'decompress'] as const
export type CompressionOperation = (typeof COMPRESSION_OPERATIONS)[number]

export const COMPRESSION_STATUSES = ['pending', 'running', 'completed', 'failed', 'cancelled'] as const
export type CompressionStatus = (typeof COMPRESSION_STATUSES)[number]

const MIB = 1_048_576
/** Most bytes of one call in this process. */
export const MAX_COMPRESSION_INPUT = 256 * MIB
/** Most bytes of a request, which the database keeps; and of what comes out of it. */
export const MAX_REQUEST_INPUT = 16 * MIB
export const MAX_REQUEST_OUTPUT = 64 * MIB
/** What decompression may make unless the caller says otherwise. */
export const DEFAULT_MAX_OUTPUT = 64 * MIB
/** Of a larger sample, this much is measured: its beginning, its middle and its end. */
export const MEASURED_BYTES = MIB
