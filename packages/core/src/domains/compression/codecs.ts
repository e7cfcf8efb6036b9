import * as zlib from 'node:zlib'
import { CairnError } from '../../errors/index.ts'
import { corrupt, outputTooLarge } from './codec-failures.ts'
import { lz4Compress, lz4Decompress } from './lz4.ts'
import type { CompressionAlgorithmId } from './words.ts'

/** One algorithm. Both directions run outside the event loop: zlib on the threads of libuv, LZ4 in a worker. */
export interface Codec {
  readonly id: CompressionAlgorithmId
  readonly name: string
  readonly category: 'store' | 'fast' | 'general' | 'dense'
  /** Null: it has no levels. */
  readonly levels: { readonly min: number; readonly max: number; readonly default: number } | null
  /** False where the Node.js in use lacks it. */
  readonly available: boolean
  compress(data: Uint8Array, level: number): Promise<Uint8Array>
  /** @throws COMPRESSED_DATA_CORRUPT, DECOMPRESSION_LIMIT */
  decompress(data: Uint8Array, maxOutputBytes: number): Promise<Uint8Array>
}

interface Inflated {
  readonly buffer: Uint8Array
  /** How much of the input was taken. */
  readonly engine: { readonly bytesWritten: number }
}
type Done = (error: Error | null, result: unknown) => void
type Deflate = (data: Uint8Array, level: number, done: Done) => void
type Inflate = (data: Uint8Array, options: { info: true; maxOutputLength: number }, done: Done) => void

const ZLIB_LEVELS = { min: 0, max: 9, default: 6 } as const
const { constants } = zlib

function zlibCodec(info: Omit<Codec, 'compress' | 'decompress' | 'available'>, deflate: Deflate | undefined, inflate: Inflate | undefined): Codec {
  const missing = (): CairnError =>
    new CairnError('CAPABILITY_MISSING', `algorithm: this Node.js (${process.version}) has no ${info.id}. Use 22.15 or later, or another algorithm.`, { details: { algorithm: info.id } })
  return {
    ...info,
    available: deflate !== undefined && inflate !== undefined,
    async compress(data, level) {
      if (deflate === undefined) throw missing()
      return (await promised((done) => deflate(data, level, done))) as Uint8Array
    },
    async decompress(data, maxOutputBytes) {
      if (inflate === undefined) throw missing()
      let result: Inflated
      try {
        result = (await promised((done) => inflate(data, { info: true, maxOutputLength: Math.max(1, maxOutputBytes) }, done))) as Inflated
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw outputTooLarge(info.id, maxOutputBytes)
        throw corrupt(info.id, (error as Error).message, error)
      }
      const unread = data.byteLength - result.engine.bytesWritten
      if (unread > 0) throw corrupt(info.id, `${unread} bytes follow its end`)
      if (result.buffer.byteLength > maxOutputBytes) throw outputTooLarge(info.id, maxOutputBytes)
      return result.buffer
    },
  }
}

function promised(run: (done: Done) => void): Promise<unknown> {
  return new Promise((resolve, reject) => run((error, result) => (error === null ? resolve(result) : reject(error))))
}

const none: Codec = {
  id: 'none', name: 'Stored as it is', category: 'store', levels: null, available: true,
  compress: (data) => Promise.resolve(Uint8Array.from(data)),
  async decompress(data, maxOutputBytes) {
    if (data.byteLength > maxOutputBytes) throw outputTooLarge('none', maxOutputBytes)
    return Uint8Array.from(data)
  },
}

const lz4: Codec = { id: 'lz4', name: 'LZ4 block with its size in front', category: 'fast', levels: null, available: true, compress: lz4Compress, decompress: lz4Decompress }

// The types of Node 24 always know zstd; Node 22.12 to 22.14 do not have it.
const { zstdCompress, zstdDecompress } = zlib as Partial<Pick<typeof zlib, 'zstdCompress' | 'zstdDecompress'>>

export const CODECS: Readonly<Record<CompressionAlgorithmId, Codec>> = {
  none,
  lz4,
  gzip: zlibCodec({ id: 'gzip', name: 'gzip (RFC 1952)', category: 'general', levels: ZLIB_LEVELS }, (data, level, done) => zlib.gzip(data, { level }, done), (data, options, done) => zlib.gunzip(data, options, done)),
  deflate: zlibCodec({ id: 'deflate', name: 'zlib (RFC 1950)', category: 'general', levels: ZLIB_LEVELS }, (data, level, done) => zlib.deflate(data, { level }, done), (data, options, done) => zlib.inflate(data, options, done)),
  zstd: zlibCodec(
    { id: 'zstd', name: 'Zstandard (RFC 8878)', category: 'general', levels: { min: 1, max: 19, default: 3 } },
    zstdCompress && ((data, level, done) => zstdCompress(data, { params: { [constants.ZSTD_c_compressionLevel]: level } }, done)),
    zstdDecompress && ((data, options, done) => zstdDecompress(data, options, done)),
  ),
  brotli: zlibCodec(
    { id: 'brotli', name: 'Brotli (RFC 7932)', category: 'dense', levels: { min: 0, max: 11, default: 5 } },
    (data, level, done) => zlib.brotliCompress(data, { params: { [constants.BROTLI_PARAM_QUALITY]: level, [constants.BROTLI_PARAM_SIZE_HINT]: data.byteLength } }, done),
    (data, options, done) => zlib.brotliDecompress(data, options, done),
  ),
}
