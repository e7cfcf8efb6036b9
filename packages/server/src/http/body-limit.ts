import { CairnError } from '@cairn/core'
import type { MiddlewareHandler } from 'hono'
import type { AppEnv } from './app-env.ts'

/**
 * PAYLOAD_TOO_LARGE for a body above `maxBytes`. A body that says its length is refused unread (Node holds it to that
 * length); one that does not is counted while it is read, and never held beyond the limit. INVALID_ARGUMENT for one that
 * is not UTF-8, of which the decoder would make another text. Routes in `except` read their body as a stream, with a
 * limit of their own.
 *
 * Not hono's own: that one hands the request to the global Request constructor, which node-server's requests only
 * survive when the globals are replaced by its own.
 */
export function bodyLimit(maxBytes: number, except: readonly string[] = []): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    if (except.includes(c.req.path)) return next()
    const { raw } = c.req
    const length = raw.headers.get('content-length')
    if (length !== null) {
      if (Number(length) > maxBytes) throw tooLarge(maxBytes)
      if (Number(length) > 0 && raw.method !== 'GET' && raw.method !== 'HEAD') {
        const text = textOf(new Uint8Array(await raw.arrayBuffer().catch(cutOff)))
        Object.assign(c.req.bodyCache, { text: Promise.resolve(text) })
      }
    } else if (raw.body !== null) {
      const body = await readAtMost(raw.body, maxBytes)
      textOf(body)
      c.req.raw = new Request(raw.url, { method: raw.method, headers: new Headers([...raw.headers]), signal: raw.signal, ...(body.byteLength === 0 ? {} : { body }) })
    }
    await next()
  }
}

/** The body as it comes. INVALID_ARGUMENT when the connection breaks before all of it came. */
export async function* bodyChunks(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  if (body === null) return
  const reader = body.getReader()
  try {
    for (let read = await reader.read().catch(cutOff); !read.done; read = await reader.read().catch(cutOff)) yield read.value
  } finally {
    void reader.cancel().catch(() => undefined)
  }
}

async function readAtMost(stream: ReadableStream<Uint8Array>, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of bodyChunks(stream)) {
    size += chunk.byteLength
    if (size > maxBytes) throw tooLarge(maxBytes)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new CairnError('INVALID_ARGUMENT', 'body: it is not UTF-8.', { cause, details: { field: 'body', in: 'body' } })
  }
}

/** Nobody gets the answer; it is no fault of the server's. */
function cutOff(cause: unknown): never {
  throw new CairnError('INVALID_ARGUMENT', 'body: the connection broke before all of it came.', { cause, details: { field: 'body', in: 'body' } })
}

function tooLarge(maxBytes: number): CairnError {
  return new CairnError('PAYLOAD_TOO_LARGE', `body: it is larger than ${maxBytes} bytes. Split it over several requests.`, { details: { field: 'body', maxBytes } })
}
