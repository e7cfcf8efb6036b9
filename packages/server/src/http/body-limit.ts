import { CairnError } from '@cairn/core'
import type { MiddlewareHandler } from 'hono'
import type { AppEnv } from './app-env.ts'

/**
 * PAYLOAD_TOO_LARGE for a body above `maxBytes`. A body that says its length is refused unread (Node holds it to that
 * length); one that does not is counted while it is read, and never held beyond the limit. Routes in `except` read
 * their body as a stream, with a limit of their own.
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
    } else if (raw.body !== null) {
      const body = await readAtMost(raw.body, maxBytes)
      c.req.raw = new Request(raw.url, { method: raw.method, headers: new Headers([...raw.headers]), signal: raw.signal, ...(body.byteLength === 0 ? {} : { body }) })
    }
    await next()
  }
}

async function readAtMost(stream: ReadableStream<Uint8Array>, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of stream) {
    size += chunk.byteLength
    if (size > maxBytes) throw tooLarge(maxBytes)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function tooLarge(maxBytes: number): CairnError {
  return new CairnError('PAYLOAD_TOO_LARGE', `body: it is larger than ${maxBytes} bytes. Split it over several requests.`, { details: { field: 'body', maxBytes } })
}
