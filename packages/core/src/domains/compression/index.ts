export { compressBest, restore } from './compressor.ts'
export { CompressionService } from './compression-service.ts'
export { CompressionRequests } from './requests.ts'
export { COMPRESSION_ALGORITHMS, COMPRESSION_GOALS, COMPRESSION_OPERATIONS, COMPRESSION_STATUSES } from './words.ts'
export type { CompressionAlgorithmId, CompressionGoal, CompressionOperation, CompressionStatus } from './words.ts'
export type {
  ChooseOptions,
  CompressedData,
  CompressionAlgorithm,
  CompressionChoice,
  CompressionLevelPerformance,
  CompressionMeasurement,
  CompressionPerformance,
  CompressionRequest,
  CompressionRequestFilter,
  CompressOptions,
  DecompressOptions,
  NewCompressionRequest,
  PackOptions,
  UnpackOptions,
} from './types.ts'
