import type { CompressionChoice, CompressionMeasurement } from './types.ts'
import { MEASURED_BYTES, type CompressionAlgorithmId, type CompressionGoal } from './words.ts'

/** An algorithm that saves less than this share is not worth its time: then the bytes are stored as they are. */
const WORTHWHILE_SAVING = 0.03
/** What `balanced` assumes that a byte costs on its way to the disk and back, in bytes a second. */
const TRANSPORT_BYTES_PER_SECOND = 50_000_000
const PARTS = 3

/** Of a large sample its beginning, middle and end; the whole of a small one. */
export function measuredPart(data: Uint8Array): Uint8Array {
  if (data.byteLength <= MEASURED_BYTES) return data
  const length = Math.floor(MEASURED_BYTES / PARTS)
  const starts = [0, Math.floor((data.byteLength - length) / 2), data.byteLength - length]
  return Buffer.concat(starts.map((start) => data.subarray(start, start + length)))
}

/**
 * The best of `measurements` for the goal. Only those that save 3 % or more take part; without one, `none`.
 *
 * - ratio: the fewest bytes, then the quicker.
 * - speed: the most plain bytes a second through compressing and decompressing once.
 * - balanced: the least time to compress, to move the compressed bytes at 50 MB/s, and to decompress.
 */
export function chooseFrom(measurements: readonly CompressionMeasurement[], goal: CompressionGoal, stored: { readonly algorithm: CompressionAlgorithmId; readonly level: number }): CompressionChoice {
  const cost = COSTS[goal]
  const ordered = measurements.toSorted((a, b) => cost(a) - cost(b) || roundTrip(a) - roundTrip(b))
  const best = ordered.find(({ algorithm, plainBytes, bytes }) => algorithm !== 'none' && bytes <= plainBytes * (1 - WORTHWHILE_SAVING))
  if (best === undefined) {
    const least = measurements.toSorted((a, b) => a.bytes - b.bytes)[0]
    const tried = least === undefined ? 'there was nothing to measure' : `the smallest of ${measurements.length} measured, ${least.algorithm}, has ${least.bytes} of ${least.plainBytes} bytes`
    return { ...stored, goal, reason: `none: no algorithm saves ${WORTHWHILE_SAVING * 100} % (${tried}).`, measurements: ordered }
  }
  return { algorithm: best.algorithm, level: best.level, goal, reason: explain(best, goal, measurements.length), measurements: [best, ...ordered.filter((one) => one !== best)] }
}

const roundTrip = ({ plainBytes, compressBytesPerSecond, decompressBytesPerSecond }: CompressionMeasurement): number => plainBytes / compressBytesPerSecond + plainBytes / decompressBytesPerSecond

const COSTS: Readonly<Record<CompressionGoal, (measurement: CompressionMeasurement) => number>> = {
  ratio: ({ bytes }) => bytes,
  speed: roundTrip,
  balanced: (measurement) => roundTrip(measurement) + measurement.bytes / TRANSPORT_BYTES_PER_SECOND,
}

function explain({ algorithm, level, bytes, plainBytes, ratio, compressBytesPerSecond, decompressBytesPerSecond }: CompressionMeasurement, goal: CompressionGoal, tried: number): string {
  const named = level === 0 ? algorithm : `${algorithm} at level ${level}`
  const speeds = `${megabytes(compressBytesPerSecond)} in and ${megabytes(decompressBytesPerSecond)} out`
  const why = { ratio: 'has the fewest bytes', speed: 'is the quickest there and back', balanced: 'takes the least time for compressing, moving at 50 MB/s and decompressing' }[goal]
  return `${named} ${why} of ${tried} measured: ${bytes} of ${plainBytes} bytes (ratio ${ratio.toFixed(2)}), ${speeds}.`
}

function megabytes(bytesPerSecond: number): string {
  return `${(bytesPerSecond / 1e6).toPrecision(3)} MB/s`
}
