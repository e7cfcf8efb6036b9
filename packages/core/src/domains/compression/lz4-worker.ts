import { parentPort } from 'node:worker_threads'

export interface Lz4Request {
  readonly id: number
  readonly operation: 'compress' | 'decompress'
  readonly data: Uint8Array
}

export interface Lz4Reply {
  readonly id: number
  readonly data?: Uint8Array
  readonly problem?: string
}

const loading = import('lz4-wasm-nodejs')

async function answer({ id, operation, data }: Lz4Request): Promise<Lz4Reply> {
  try {
    const lz4 = await loading
    return { id, data: lz4[operation](data) }
  } catch (error) {
    return { id, problem: error instanceof Error ? error.message : String(error) }
  }
}

parentPort?.on('message', (request: Lz4Request) => {
  void answer(request).then((reply) => {
    // The library hands out a copy of its memory, so that it can be given away.
    parentPort?.postMessage(reply, reply.data === undefined ? [] : [reply.data.buffer as ArrayBuffer])
  })
})
