import { createHash, timingSafeEqual } from 'node:crypto'
import { CairnError } from '../../errors/index.ts'
import { CODECS } from './codecs.ts'
import { outputTooLarge } from './codec-failures.ts'
import type { CompressionAlgorithmId } from './words.ts'

const MAGIC = Buffer.from('CRNz', 'latin1')
/** Stored in files: a byte keeps its meaning for ever. */
const FORMAT_BYTES: Readonly<Record<CompressionAlgorithmId, number>> = { none: 0, gzip: 1, deflate: 2, brotli: 3, zstd: 4, lz4: 5 }
const BY_BYTE = new Map(Object.entries(FORMAT_BYTES).map(([id, byte]) => [byte, id as CompressionAlgorithmId]))
const HEADER_BYTES = MAGIC.length + 1 + 8 + 32

/** Magic, algorithm (1 byte), length of the plain bytes (8, big-endian), their SHA-256 (32), then the compressed bytes. */
export function toPacked(algorithm: CompressionAlgorithmId, plain: Uint8Array, compressed: Uint8Array): Uint8Array {
  const header = Buffer.alloc(HEADER_BYTES)
  MAGIC.copy(header)
  header.writeUInt8(FORMAT_BYTES[algorithm], 4)
  header.writeBigUInt64BE(BigInt(plain.byteLength), 5)
  sha256(plain).copy(header, 13)
  return Buffer.concat([header, compressed])
}

/** The parts of a packed blob, before it is decompressed. @throws COMPRESSED_DATA_CORRUPT, DECOMPRESSION_LIMIT */
export function fromPacked(blob: Uint8Array, maxOutputBytes: number): { algorithm: CompressionAlgorithmId; plainBytes: number; sha256: Buffer; compressed: Uint8Array } {
  const bytes = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength)
  if (bytes.byteLength < HEADER_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged('it does not begin as one')
  const algorithm = BY_BYTE.get(bytes.readUInt8(4))
  if (algorithm === undefined) throw damaged(`it names the unknown algorithm ${bytes.readUInt8(4)}`)
  const length = bytes.readBigUInt64BE(5)
  if (length > BigInt(maxOutputBytes)) throw outputTooLarge(algorithm, maxOutputBytes)
  return { algorithm, plainBytes: Number(length), sha256: bytes.subarray(13, HEADER_BYTES), compressed: bytes.subarray(HEADER_BYTES) }
}

/** The plain bytes, when they are those that were packed. @throws COMPRESSED_DATA_CORRUPT, DECOMPRESSION_LIMIT */
export async function unpacked(parts: ReturnType<typeof fromPacked>): Promise<Uint8Array> {
  const { algorithm, plainBytes, sha256: expected, compressed } = parts
  const plain = await CODECS[algorithm].decompress(compressed, plainBytes)
  if (plain.byteLength !== plainBytes) throw damaged(`it says ${plainBytes} bytes and holds ${plain.byteLength}`)
  if (!timingSafeEqual(sha256(plain), expected)) throw damaged('its SHA-256 is not that of what was packed')
  return plain
}

export function sha256(data: Uint8Array): Buffer {
  return createHash('sha256').update(data).digest()
}

function damaged(reason: string): CairnError {
  return new CairnError('COMPRESSED_DATA_CORRUPT', `The packed blob is damaged: ${reason}. Fetch it again, or take a copy.`)
}
