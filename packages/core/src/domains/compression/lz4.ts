import { Worker } from 'node:worker_threads'
import { corrupt, outputTooLarge } from './codec-failures.ts'
import type { Lz4Reply, Lz4Request } from './lz4-worker.ts'

const IDLE_MS = 10_000
/** Bytes in front of the block: the size of the plain bytes, little-endian. */
const SIZE_BYTES = 4

interface Waiting {
  readonly resolve: (data: Uint8Array) => void
  readonly reject: (error: Error) => void
}

/**
 * The WebAssembly of LZ4 runs in a worker thread of its own, started by the first call and ended when it was idle for a
 * while: it blocks its thread, its memory never shrinks, and what it does with damaged bytes stays there.
 */
class Lz4Host {
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #idle: NodeJS.Timeout | undefined
  #next = 1

  run(operation: Lz4Request['operation'], data: Uint8Array): Promise<Uint8Array> {
    const worker = this.#start()
    const id = this.#next++
    worker.ref()
    clearTimeout(this.#idle)
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      worker.postMessage({ id, operation, data } satisfies Lz4Request)
    })
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker
    // The worker is the file beside this one: .ts when run from source, .js when built.
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
    const worker = new Worker(new URL(`./lz4-worker${extension}`, import.meta.url), { execArgv: ['--disable-warning=ExperimentalWarning'], name: 'cairn-lz4' })
    worker.on('message', (reply: Lz4Reply) => this.#receive(worker, reply))
    worker.on('error', (error) => this.#lose(worker, error instanceof Error ? error : new Error(String(error))))
    worker.on('exit', () => this.#lose(worker, new Error('the LZ4 worker ended')))
    this.#worker = worker
    return worker
  }

  #receive(worker: Worker, reply: Lz4Reply): void {
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if (reply.data === undefined) waiting?.reject(new Error(reply.problem))
    else waiting?.resolve(reply.data)
    if (this.#waiting.size > 0) return
    worker.unref()
    this.#idle = setTimeout(() => {
      if (this.#waiting.size === 0) this.#end()
    }, IDLE_MS).unref()
  }

  #end(): void {
    const worker = this.#worker
    this.#worker = undefined
    void worker?.terminate()
  }

  #lose(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}

const host = new Lz4Host()

export function lz4Compress(data: Uint8Array): Promise<Uint8Array> {
  return host.run('compress', data)
}

/** The size in front is checked before anything is allocated. @throws COMPRESSED_DATA_CORRUPT, DECOMPRESSION_LIMIT */
export async function lz4Decompress(data: Uint8Array, maxOutputBytes: number): Promise<Uint8Array> {
  if (data.byteLength <= SIZE_BYTES) throw corrupt('lz4', 'it is too short')
  const size = new DataView(data.buffer, data.byteOffset, SIZE_BYTES).getUint32(0, true)
  if (size > maxOutputBytes) throw outputTooLarge('lz4', maxOutputBytes)
  let plain: Uint8Array
  try {
    plain = await host.run('decompress', data)
  } catch (error) {
    throw corrupt('lz4', (error as Error).message, error)
  }
  if (plain.byteLength !== size) throw corrupt('lz4', `it says ${size} bytes and holds ${plain.byteLength}`)
  return plain
}
