import { CairnError } from '../../errors/index.ts'
import type { CompressionAlgorithmId } from './words.ts'

/** The bytes are not what `algorithm` makes, or were cut or changed. */
export function corrupt(algorithm: CompressionAlgorithmId, reason: string, cause?: unknown): CairnError {
  return new CairnError('COMPRESSED_DATA_CORRUPT', `The bytes are not a whole ${algorithm} stream: ${reason}. Check the algorithm, or fetch them again.`, {
    ...(cause === undefined ? {} : { cause }),
    details: { algorithm },
  })
}

export function outputTooLarge(algorithm: CompressionAlgorithmId, maxOutputBytes: number): CairnError {
  return new CairnError('DECOMPRESSION_LIMIT', `Decompressed by ${algorithm}, the bytes are more than the limit of ${maxOutputBytes}. Raise maxOutputBytes if you trust them.`, {
    details: { algorithm, maxOutputBytes },
  })
}
