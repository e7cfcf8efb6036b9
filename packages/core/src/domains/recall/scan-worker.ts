import { parentPort } from 'node:worker_threads'
import { type MatrixHit, nearestAmong, nearestByCodes } from './nearest.ts'
import { type CodedChunk, VectorCodes } from './vector-codes.ts'

/** In the order in which they were sent: a question is answered with what was told before it. */
export type ScanMessage =
  | { readonly type: 'matrix'; readonly matrix: number; readonly dimensions: number; readonly chunkRows: number }
  /** The next chunk; its numbers are shared memory, and are there as far as `rows` said. */
  | { readonly type: 'chunk'; readonly matrix: number; readonly vectors: Float32Array }
  | { readonly type: 'rows'; readonly matrix: number; readonly size: number }
  /** A row whose numbers are others now. */
  | { readonly type: 'changed'; readonly matrix: number; readonly row: number }
  | { readonly type: 'forget'; readonly matrix: number }
  | { readonly type: 'nearest'; readonly matrix: number; readonly id: number; readonly vector: Float32Array; readonly limit: number; readonly rows?: Uint32Array }

export type ScanReply =
  | { readonly id: number; readonly hits: readonly MatrixHit[] }
  | { readonly id: number; readonly problem: string }

interface Scanned {
  readonly dimensions: number
  readonly chunkRows: number
  readonly chunks: Float32Array[]
  readonly coded: (CodedChunk | undefined)[]
  size: number
}

const port = parentPort
if (port === null) throw new Error('scan-worker.ts runs as a worker thread')
const matrices = new Map<number, Scanned>()
const codes = new VectorCodes()

port.on('message', (message: ScanMessage) => {
  if (message.type === 'matrix') {
    matrices.set(message.matrix, { dimensions: message.dimensions, chunkRows: message.chunkRows, chunks: [], coded: [], size: 0 })
    return
  }
  const scanned = matrices.get(message.matrix)
  if (message.type === 'nearest') answer(message, scanned)
  else if (scanned !== undefined) tell(message, scanned)
})

function tell(message: Exclude<ScanMessage, { type: 'matrix' | 'nearest' }>, scanned: Scanned): void {
  const { chunks, coded, dimensions, chunkRows } = scanned
  const encode = (row: number): void => {
    const number = Math.floor(row / chunkRows)
    const [chunk, vectors] = [coded[number], chunks[number]]
    if (chunk !== undefined && vectors !== undefined) codes.encode(chunk, vectors, dimensions, row % chunkRows)
  }
  if (message.type === 'chunk') {
    chunks.push(message.vectors)
    coded.push(codes.allocate(dimensions))
  } else if (message.type === 'rows') {
    for (let row = scanned.size; row < message.size; row += 1) encode(row)
    scanned.size = message.size
  } else if (message.type === 'changed') {
    encode(message.row)
  } else {
    for (const chunk of coded) if (chunk !== undefined) codes.free(chunk)
    matrices.delete(message.matrix)
  }
}

function answer({ id, vector, limit, rows }: Extract<ScanMessage, { type: 'nearest' }>, scanned: Scanned | undefined): void {
  try {
    if (scanned === undefined) throw new Error('the vectors are not here')
    port?.postMessage({ id, hits: rows === undefined ? nearestByCodes(scanned, codes, scanned.coded, vector, limit) : nearestAmong(scanned, rows, vector, limit) } satisfies ScanReply)
  } catch (error) {
    port?.postMessage({ id, problem: error instanceof Error ? error.message : String(error) } satisfies ScanReply)
  }
}
