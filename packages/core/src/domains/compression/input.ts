import * as z from 'zod'
import { check, invalid, jsonObject, text } from '../../checks/index.ts'
import { CairnError } from '../../errors/index.ts'
import { CODECS } from './codecs.ts'
import { COMPRESSION_ALGORITHMS, COMPRESSION_GOALS, COMPRESSION_OPERATIONS, COMPRESSION_STATUSES, DEFAULT_MAX_OUTPUT, MAX_COMPRESSION_INPUT, MAX_REQUEST_OUTPUT, type CompressionAlgorithmId } from './words.ts'

const goal = z.enum(COMPRESSION_GOALS)
const level = z.number().int().min(0).max(22)
const algorithm = z.enum(COMPRESSION_ALGORITHMS)
const maxOutputBytes = z.number().int().min(1).max(MAX_COMPRESSION_INPUT * 16)
const anyData = z.custom<Uint8Array | string>((value) => value instanceof Uint8Array || typeof value === 'string', 'must be a Uint8Array or a string')

export const compressInput = z.strictObject({ algorithm: algorithm.optional(), level: level.optional() })
export const decompressInput = z.strictObject({ algorithm, maxOutputBytes: maxOutputBytes.default(DEFAULT_MAX_OUTPUT) })
export const packInput = z.strictObject({ algorithm: algorithm.optional(), level: level.optional(), goal: goal.optional() })
export const unpackInput = z.strictObject({ maxOutputBytes: maxOutputBytes.default(DEFAULT_MAX_OUTPUT) })
export const chooseInput = z.strictObject({ sample: anyData, goal: goal.default('balanced'), algorithms: z.array(algorithm).min(1).optional() })
export const requestInput = z.strictObject({
  data: anyData,
  operation: z.enum(COMPRESSION_OPERATIONS).default('compress'),
  algorithm: z.enum([...COMPRESSION_ALGORITHMS, 'auto']).default('auto'),
  level: level.optional(),
  goal: goal.default('balanced'),
  agent: text(1, 255).optional(),
  priority: z.enum(['low', 'normal', 'high', 'urgent', 'critical']).default('normal'),
  maxOutputBytes: z.number().int().min(1).max(MAX_REQUEST_OUTPUT).default(MAX_REQUEST_OUTPUT),
  metadata: jsonObject.default({}),
})
export const requestFilterInput = z.object({ status: z.enum(COMPRESSION_STATUSES).optional(), agent: text(1, 255).optional() })
export const requestIdInput = text(1, 36)
export const algorithmsInput = z.array(algorithm)

/** The bytes of `value`; text as UTF-8. @throws INVALID_ARGUMENT, PAYLOAD_TOO_LARGE naming `field` */
export function bytesOf(value: unknown, field: string, limit: number): Uint8Array {
  const given = check(anyData, value, field)
  if (typeof given === 'string' && !given.isWellFormed()) throw invalid(field, 'has a lone surrogate, which has no bytes')
  const bytes = typeof given === 'string' ? Buffer.from(given, 'utf8') : given
  if (bytes.byteLength > limit) {
    throw new CairnError('PAYLOAD_TOO_LARGE', `${field}: ${bytes.byteLength} bytes are more than the limit of ${limit}. Split it.`, { details: { field, bytes: bytes.byteLength, limit } })
  }
  return bytes
}

/** INVALID_ARGUMENT unless `algorithm` has the level; its default without one, 0 when it has none. */
export function levelOf(id: CompressionAlgorithmId, given: number | undefined): number {
  const { levels } = CODECS[id]
  if (levels === null) {
    if (given !== undefined && given !== 0) throw invalid('level', `${id} has no levels`)
    return 0
  }
  if (given !== undefined && (given < levels.min || given > levels.max)) throw invalid('level', `${id} has the levels ${levels.min} to ${levels.max}, not ${given}`)
  return given ?? levels.default
}
