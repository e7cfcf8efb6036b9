import type { MiddlewareHandler } from 'hono'
import type { AppEnv } from './app-env.ts'

/** A HEAD is served as the GET, and its body is dropped unread: what makes it has to be told, or it waits for its reader for ever. */
export const endBodyOfHead: MiddlewareHandler<AppEnv> = async (c, next) => {
  await next()
  if (c.req.method === 'HEAD') await c.res.body?.cancel()
}
