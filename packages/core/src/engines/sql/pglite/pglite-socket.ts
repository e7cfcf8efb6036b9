import { Duplex } from 'node:stream'
import type { PgliteHost } from './pglite-host.ts'

interface Chunk {
  readonly chunk: Buffer
}

/**
 * What `pg` takes for its socket, with PGlite at the other end. So both engines share one driver:
 * values are written and read alike, and prepared statements, COPY, notices and errors behave alike.
 */
export class PgliteSocket extends Duplex {
  readonly #host: PgliteHost

  constructor(host: PgliteHost) {
    super()
    this.#host = host
  }

  connect(): this {
    setImmediate(() => this.emit('connect'))
    return this
  }

  // pg calls these on a TCP socket.
  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this._writev([{ chunk }], done)
  }

  /** pg corks the messages of one statement, so they arrive together and PGlite can answer them whole. */
  override _writev(chunks: readonly Chunk[], done: (error?: Error) => void): void {
    const data = join(chunks)
    this.#host.exchange(data).then(
      (answer) => {
        if (answer.length > 0) this.push(Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength))
        done()
      },
      (error: Error) => done(new Error(`Connection terminated unexpectedly: ${error.message}`, { cause: error })),
    )
  }

  override _final(done: () => void): void {
    this.push(null)
    done()
  }
}

/** A copy with memory of its own, since it is transferred to the worker. */
function join(chunks: readonly Chunk[]): Uint8Array<ArrayBuffer> {
  let length = 0
  for (const { chunk } of chunks) length += chunk.length
  const data = new Uint8Array(length)
  let offset = 0
  for (const { chunk } of chunks) {
    data.set(chunk, offset)
    offset += chunk.length
  }
  return data
}
