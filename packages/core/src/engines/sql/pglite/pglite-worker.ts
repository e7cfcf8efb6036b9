/**
 * Runs PGlite in a thread of its own and speaks PostgreSQL's wire protocol with the main thread: each message
 * that comes in is one or more whole protocol messages, each that goes out is the server's whole answer.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { PGlite, type Extension } from '@electric-sql/pglite'

/** What the main thread gives the worker at its start. */
export interface WorkerInput {
  /** A folder, or `memory://`. */
  readonly dataDir: string
  /** Names of extensions: `vector`, or one of PGlite's contrib, e.g. `pg_trgm`. */
  readonly extensions: readonly string[]
}

export type WorkerRequest = Uint8Array | 'close'

export type WorkerReply =
  | { readonly type: 'ready' }
  | { readonly type: 'answer'; readonly data: Uint8Array }
  | { readonly type: 'closed' }
  | { readonly type: 'failed'; readonly message: string }

/** The part of PGlite's WebAssembly module that is watched. */
interface Backend {
  _PostgresMainLoopOnce: () => void
}

/** Extensions that come in a package of their own. */
const PACKAGES: Readonly<Record<string, string>> = { vector: '@electric-sql/pglite-pgvector' }

const port = parentPort
if (port === null) throw new Error('pglite-worker runs only as a worker thread')
const input = workerData as WorkerInput

function reply(message: WorkerReply): void {
  if (message.type === 'answer') port?.postMessage(message, [message.data.buffer as ArrayBuffer])
  else port?.postMessage(message)
}

try {
  const database = await PGlite.create({ dataDir: input.dataDir, extensions: await loadExtensions(input.extensions) })
  endOnPanic(database)
  port.on('message', (request: WorkerRequest) => void answer(database, request))
  reply({ type: 'ready' })
} catch (error) {
  reply({ type: 'failed', message: error instanceof Error ? error.message : String(error) })
}

async function answer(database: PGlite, request: WorkerRequest): Promise<void> {
  if (request === 'close') {
    await database.close()
    reply({ type: 'closed' })
    port?.close()
    return
  }
  // NODEFS writes through to the files, so there is nothing to synchronize after a statement.
  const data = await database.execProtocolRaw(request, { syncToFs: false })
  reply({ type: 'answer', data })
}

/**
 * PGlite swallows every exception of the backend and calls it again; after a trap (out of memory, PANIC) that never
 * ends. A trap is a RuntimeError, whereas the backend's own error handling throws plain objects: then the thread ends.
 */
function endOnPanic(database: PGlite): void {
  const backend = (database as unknown as { mod?: Backend }).mod
  if (backend === undefined) return
  const original = backend._PostgresMainLoopOnce
  backend._PostgresMainLoopOnce = () => {
    try {
      original()
    } catch (error) {
      if (error instanceof Error && (error.name === 'RuntimeError' || error instanceof RangeError)) {
        reply({ type: 'failed', message: `PostgreSQL stopped: ${error.message}` })
        process.exit(1)
      }
      throw error
    }
  }
}

async function loadExtensions(names: readonly string[]): Promise<Record<string, Extension>> {
  const loaded: Record<string, Extension> = {}
  for (const name of names) {
    const found = (await import(PACKAGES[name] ?? `@electric-sql/pglite/contrib/${name}`)) as Record<string, Extension>
    const extension = found[name]
    if (extension === undefined) throw new Error(`PGlite has no extension ${name}`)
    loaded[name] = extension
  }
  return loaded
}
