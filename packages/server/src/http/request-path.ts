import { CairnError } from '@cairn/core'
import type { MiddlewareHandler } from 'hono'
import type { AppEnv } from './app-env.ts'

/**
 * The path as it was sent, still percent-encoded, for the router: each part of it is decoded once, after it was cut at
 * its slashes. So a state key may hold any text, `/` as %2F and `%` as %25 included.
 */
export function rawPath(request: Request): string {
  const { url } = request
  const start = url.indexOf('/', url.indexOf('://') + 3)
  const end = url.slice(start).search(/[?#]/)
  return end === -1 ? url.slice(start) : url.slice(start, start + end)
}

/** INVALID_ARGUMENT for a path whose percent-encoding is broken, instead of taking it for a literal text. */
export const checkPath: MiddlewareHandler<AppEnv> = async (c, next) => {
  try {
    decodeURIComponent(c.req.path)
  } catch (cause) {
    throw new CairnError('INVALID_ARGUMENT', `path: ${JSON.stringify(c.req.path.slice(0, 200))} is not percent-encoded UTF-8. Encode each part with encodeURIComponent.`, { cause, details: { field: 'path', in: 'path' } })
  }
  await next()
}
