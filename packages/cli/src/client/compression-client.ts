import type { Cairn, CompressionAlgorithm, CompressionChoice, CompressionGoal, CompressionAlgorithmId, Page, PackOptions } from '@cairn/core'
import type { Json } from './cairn-client.ts'
import type { Http } from './http.ts'

export interface MeasureOptions {
  readonly goal?: CompressionGoal
  readonly algorithms?: readonly CompressionAlgorithmId[]
}

/** What the commands ask of compression. Through a server, a file is as large as a request body may be. */
export interface CompressionClient {
  algorithms(): Promise<Json<Page<CompressionAlgorithm>>>
  measure(data: Uint8Array, options: MeasureOptions): Promise<Json<CompressionChoice>>
  pack(data: Uint8Array, options: PackOptions): Promise<Uint8Array>
  unpack(blob: Uint8Array): Promise<Uint8Array>
}

export function localCompression({ compression }: Cairn): CompressionClient {
  return {
    algorithms: async () => JSON.parse(JSON.stringify(await compression.algorithms())) as Json<Page<CompressionAlgorithm>>,
    measure: async (data, options) => JSON.parse(JSON.stringify(await compression.choose({ sample: data, ...options }))) as Json<CompressionChoice>,
    pack: (data, options) => compression.pack(data, options),
    unpack: (blob) => compression.unpack(blob, { maxOutputBytes: 256 * 1_048_576 }),
  }
}

export function httpCompression(http: Http): CompressionClient {
  const bytes = async (path: string, body: object): Promise<Uint8Array> => Buffer.from((await http.post<{ base64: string }>(path, body)).base64, 'base64')
  const base64 = (data: Uint8Array): string => Buffer.from(data).toString('base64')
  return {
    algorithms: () => http.get('/v1/compression/algorithms'),
    measure: (data, options) => http.post('/v1/compression/measure', { base64: base64(data), ...options }),
    pack: (data, options) => bytes('/v1/compression/pack', { base64: base64(data), ...options }),
    unpack: (blob) => bytes('/v1/compression/unpack', { base64: base64(blob), maxOutputBytes: 256 * 1_048_576 }),
  }
}
