import { randomUUID } from 'node:crypto'
import type { Logger } from '@cairn/core'
import type { MiddlewareHandler } from 'hono'
import type { AppEnv } from './app-env.ts'
import { routePattern } from './route-pattern.ts'

/** Asked every few seconds by machines: worth a line only when they fail. */
const QUIET = new Set(['/health', '/ready', '/metrics'])

/** One line a request: method, route pattern, status, milliseconds, tenant. Never a body, a key or a query. */
export function requestLog(log: Logger): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const started = performance.now()
    const requestId = randomUUID()
    c.set('requestId', requestId)
    await next()
    c.res.headers.set('x-request-id', requestId)
    const route = routePattern(c)
    const status = c.res.status
    const fields = { method: c.req.method, route, status, ms: Math.round((performance.now() - started) * 10) / 10, tenant: c.get('cairn')?.identity.tenant, requestId }
    const quiet = QUIET.has(route) && status < 500
    log[quiet ? 'debug' : 'info'](fields, 'request')
  }
}
