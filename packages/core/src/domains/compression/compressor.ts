import type { DomainContext } from '../domain-context.ts'
import { chooseFrom, measuredPart } from './choose.ts'
import { CODECS } from './codecs.ts'
import { recordCall } from './statistics.ts'
import type { CompressedData, CompressionChoice, CompressionMeasurement } from './types.ts'
import { COMPRESSION_ALGORITHMS, type CompressionAlgorithmId, type CompressionGoal } from './words.ts'

/** Compresses, times and counts. `level` must be one of the algorithm's. */
export async function compressTimed(context: DomainContext, plain: Uint8Array, algorithm: CompressionAlgorithmId, level: number): Promise<CompressedData> {
  const begun = performance.now()
  let data: Uint8Array
  try {
    data = await CODECS[algorithm].compress(plain, level)
  } catch (error) {
    await recordCall(context, algorithm, level, { failures: 1 })
    throw error
  }
  const elapsedMs = performance.now() - begun
  await recordCall(context, algorithm, level, { compressions: 1, plain: plain.byteLength, compressed: data.byteLength, compress_us: elapsedMs * 1000 })
  return { data, algorithm, level, plainBytes: plain.byteLength, bytes: data.byteLength, ratio: plain.byteLength / Math.max(1, data.byteLength), elapsedMs }
}

/** Runs `restore`, and times and counts it as a decompression. The level is not known of compressed bytes: it counts for 0. */
export async function restoreTimed(context: DomainContext, algorithm: CompressionAlgorithmId, restore: () => Promise<Uint8Array>): Promise<Uint8Array> {
  const begun = performance.now()
  let plain: Uint8Array
  try {
    plain = await restore()
  } catch (error) {
    await recordCall(context, algorithm, 0, { failures: 1 })
    throw error
  }
  await recordCall(context, algorithm, 0, { decompressions: 1, restored: plain.byteLength, decompress_us: (performance.now() - begun) * 1000 })
  return plain
}

/** Tries the algorithms at their default levels on a part of the data, one after the other, so that they do not slow each other down. */
export async function chooseByMeasurement(context: DomainContext, data: Uint8Array, goal: CompressionGoal, among: readonly CompressionAlgorithmId[] = COMPRESSION_ALGORITHMS): Promise<CompressionChoice> {
  const sample = measuredPart(data)
  const measurements: CompressionMeasurement[] = []
  for (const algorithm of new Set(among)) {
    const { available, levels } = CODECS[algorithm]
    if (available && algorithm !== 'none' && sample.byteLength > 0) measurements.push(await measure(context, sample, algorithm, levels?.default ?? 0))
  }
  return chooseFrom(measurements, goal, { algorithm: 'none', level: 0 })
}

/** By what measures best on the very data, for the balance of time and bytes. */
export async function compressBest(context: DomainContext, data: Uint8Array): Promise<CompressedData> {
  const { algorithm, level } = await chooseByMeasurement(context, data, 'balanced')
  return compressTimed(context, data, algorithm, level)
}

/** The plain bytes of stored ones. @throws COMPRESSED_DATA_CORRUPT, DECOMPRESSION_LIMIT */
export function restore(context: DomainContext, algorithm: CompressionAlgorithmId, data: Uint8Array, maxOutputBytes: number): Promise<Uint8Array> {
  return restoreTimed(context, algorithm, () => CODECS[algorithm].decompress(data, maxOutputBytes))
}

async function measure(context: DomainContext, sample: Uint8Array, algorithm: CompressionAlgorithmId, level: number): Promise<CompressionMeasurement> {
  const compressed = await compressTimed(context, sample, algorithm, level)
  const begun = performance.now()
  await restoreTimed(context, algorithm, () => CODECS[algorithm].decompress(compressed.data, sample.byteLength))
  const perSecond = (ms: number): number => sample.byteLength / Math.max(ms / 1000, 1e-6)
  return {
    algorithm, level, plainBytes: sample.byteLength, bytes: compressed.bytes, ratio: compressed.ratio,
    compressBytesPerSecond: perSecond(compressed.elapsedMs), decompressBytesPerSecond: perSecond(performance.now() - begun),
  }
}
