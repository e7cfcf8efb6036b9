import { Worker } from 'node:worker_threads'
import type { WorkerInput, WorkerReply, WorkerRequest } from './pglite-worker.ts'

/** The main thread's side of one PGlite worker: starts it, exchanges messages with it in order, ends it. */
export class PgliteHost {
  readonly #worker: Worker
  readonly #waiting: { resolve: (data: Uint8Array) => void; reject: (error: Error) => void }[] = []
  readonly #exited: Promise<void>
  #failure: Error | undefined
  #ready!: { resolve: () => void; reject: (error: Error) => void }
  #closed: (() => void) | undefined
  #output = ''

  /** Resolves when PGlite answers; rejects when it could not open the data. */
  readonly started: Promise<void>

  constructor(input: WorkerInput) {
    this.started = new Promise((resolve, reject) => (this.#ready = { resolve, reject }))
    this.started.catch(() => {})
    // The worker is the file beside this one: .ts when run from source, .js when built.
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
    this.#worker = new Worker(new URL(`./pglite-worker${extension}`, import.meta.url), {
      workerData: input,
      execArgv: ['--disable-warning=ExperimentalWarning'],
      name: 'cairn-pglite',
      stdout: true,
      stderr: true,
    })
    for (const stream of [this.#worker.stdout, this.#worker.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.#output = (this.#output + text).slice(-2000)))
    }
    this.#worker.on('message', (reply: WorkerReply) => this.#receive(reply))
    this.#worker.on('error', (error) => this.#fail(error instanceof Error ? error : new Error(String(error))))
    this.#exited = new Promise((resolve) => {
      this.#worker.on('exit', (code) => {
        this.#fail(new Error(`the PGlite worker ended with code ${code}`))
        resolve()
      })
    })
  }

  get alive(): boolean {
    return this.#failure === undefined
  }

  /** What PGlite printed last; for error messages. */
  get output(): string {
    return this.#output.trim()
  }

  /** Sends protocol messages and resolves with the answer. `data` is transferred and may not be used afterwards. */
  exchange(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#worker.postMessage(data satisfies WorkerRequest, [data.buffer])
    })
  }

  /** Orderly end: PGlite writes a checkpoint. */
  async close(): Promise<void> {
    if (this.alive) {
      const closed = new Promise<void>((resolve) => (this.#closed = resolve))
      this.#worker.postMessage('close' satisfies WorkerRequest)
      await Promise.race([closed, this.#exited])
    }
    await this.terminate()
  }

  /** Ends it at once, whatever it does; what it had committed stays. */
  async terminate(): Promise<void> {
    await this.#worker.terminate()
    await this.#exited
  }

  #receive(reply: WorkerReply): void {
    switch (reply.type) {
      case 'ready':
        return this.#ready.resolve()
      case 'answer':
        return this.#waiting.shift()?.resolve(reply.data)
      case 'closed':
        return this.#closed?.()
      case 'failed':
        return this.#fail(new Error(reply.message))
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#ready.reject(this.#failure)
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#failure)
  }
}
