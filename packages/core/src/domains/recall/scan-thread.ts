import { Worker } from 'node:worker_threads'
import { CairnError } from '../../errors/index.ts'
import type { Logger } from '../../observability/index.ts'
import type { MatrixHit, VectorRows } from './nearest.ts'
import type { ScanMessage, ScanReply } from './scan-worker.ts'

/** After it has ended by itself the thread is left alone for so long. */
const REST_MS = 5_000

interface Asked {
  resolve(hits: readonly MatrixHit[] | undefined): void
  reject(error: CairnError): void
}

/**
 * The thread that scans what is too much for this one. It starts with the first question about so many vectors, is told of what is new
 * with each, and ends when it has nothing left to scan. The vectors are shared memory and stay here: a thread that dies costs nothing but
 * its codes, which the next one makes anew.
 */
export class ScanThread {
  readonly #log: Logger
  readonly #entry: URL
  readonly #asked = new Map<number, Asked>()
  /** What the thread has of each matrix. */
  readonly #told = new Map<VectorRows, { readonly matrix: number; chunks: number; size: number }>()
  #worker: Worker | undefined
  #restUntil = 0
  #last = 0
  #closed = false

  /** `entry`: the thread's module, the file beside this one: .ts when run from source, .js when built. */
  constructor(log: Logger, entry: URL = new URL(`./scan-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)) {
    this.#log = log
    this.#entry = entry
  }

  /** Undefined when the thread ended or could not answer: the caller looks for itself. CLOSED. */
  nearest(vectors: VectorRows, vector: Float32Array, limit: number, rows?: readonly number[]): Promise<readonly MatrixHit[] | undefined> {
    if (this.#closed) return Promise.reject(closed())
    const worker = this.#start()
    if (worker === undefined) return Promise.resolve(undefined)
    const matrix = this.#tell(vectors)
    const id = (this.#last += 1)
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject })
      worker.ref()
      this.#send({ type: 'nearest', matrix, id, vector, limit, ...(rows === undefined ? {} : { rows: Uint32Array.from(rows) }) })
    })
  }

  /** Has the thread read what is new in `vectors` before it is asked. */
  prepare(vectors: VectorRows): void {
    if (!this.#closed && this.#start() !== undefined) this.#tell(vectors)
  }

  changed(vectors: VectorRows, row: number): void {
    const told = this.#told.get(vectors)
    if (told !== undefined && row < told.size) this.#send({ type: 'changed', matrix: told.matrix, row })
  }

  forget(vectors: VectorRows): void {
    const told = this.#told.get(vectors)
    if (told === undefined) return
    this.#told.delete(vectors)
    this.#send({ type: 'forget', matrix: told.matrix })
    if (this.#told.size === 0 && this.#asked.size === 0) void this.#end()
  }

  /** Ends the thread; who waits for it gets CLOSED. */
  async close(): Promise<void> {
    this.#closed = true
    for (const asked of this.#asked.values()) asked.reject(closed())
    this.#asked.clear()
    await this.#end()
  }

  /** What is new in `vectors`; their number there. */
  #tell(vectors: VectorRows): number {
    let told = this.#told.get(vectors)
    if (told === undefined) {
      told = { matrix: (this.#last += 1), chunks: 0, size: 0 }
      this.#told.set(vectors, told)
      this.#send({ type: 'matrix', matrix: told.matrix, dimensions: vectors.dimensions, chunkRows: vectors.chunkRows })
    }
    const { matrix } = told
    for (const chunk of vectors.chunks.slice(told.chunks)) this.#send({ type: 'chunk', matrix, vectors: chunk })
    if (vectors.size > told.size) this.#send({ type: 'rows', matrix, size: vectors.size })
    told.chunks = vectors.chunks.length
    told.size = vectors.size
    return matrix
  }

  #send(message: ScanMessage): void {
    this.#worker?.postMessage(message)
  }

  #start(): Worker | undefined {
    if (this.#worker !== undefined || performance.now() < this.#restUntil) return this.#worker
    try {
      const worker = new Worker(this.#entry, { execArgv: ['--disable-warning=ExperimentalWarning'], name: 'cairn-vectors' })
      worker.on('message', (reply: ScanReply) => this.#receive(worker, reply))
      worker.on('error', (error) => this.#lose(worker, error))
      worker.on('exit', (code) => this.#lose(worker, new Error(`it ended with code ${code}`)))
      worker.unref()
      this.#worker = worker
      return worker
    } catch (error) {
      this.#rest(error)
      return undefined
    }
  }

  #receive(worker: Worker, reply: ScanReply): void {
    const asked = this.#asked.get(reply.id)
    this.#asked.delete(reply.id)
    if ('problem' in reply) this.#log.warn({ problem: reply.problem }, 'the thread that scans vectors could not answer; scanning in this one')
    asked?.resolve('problem' in reply ? undefined : reply.hits)
    if (this.#asked.size > 0) return
    worker.unref()
    if (this.#told.size === 0) void this.#end()
  }

  #lose(worker: Worker, error: unknown): void {
    if (worker !== this.#worker) return
    this.#worker = undefined
    this.#told.clear()
    this.#rest(error)
    for (const asked of this.#asked.values()) asked.resolve(undefined)
    this.#asked.clear()
  }

  #rest(error: unknown): void {
    this.#restUntil = performance.now() + REST_MS
    this.#log.warn({ err: error, restMs: REST_MS }, 'the thread that scans vectors has ended; scanning in this one until it starts again')
  }

  async #end(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    this.#told.clear()
    await worker?.terminate()
  }
}

function closed(): CairnError {
  return new CairnError('CLOSED', 'Cairn was closed while vectors were searched.')
}
