import { CairnError } from '@cairn/core'
import type { MiddlewareHandler } from 'hono'
import type { AppEnv } from './app-env.ts'

const LOOPBACK_NAMES: readonly string[] = ['localhost', '127.0.0.1', '[::1]']

/** True for an address that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
}

/**
 * Keeps web pages out, which have no business with a server that trusts whoever reaches it. On a loopback address only
 * the names of that address (and `allowedHosts`) are served, so that a foreign name pointed at 127.0.0.1 (DNS
 * rebinding) gets nothing; and no request is taken whose Origin is another site, so that a form or a script elsewhere
 * cannot write.
 */
export function hostGuard(boundTo: string, allowedHosts: readonly string[]): MiddlewareHandler<AppEnv> {
  const checksHost = isLoopback(boundTo) || allowedHosts.length > 0
  const names = new Set([...(isLoopback(boundTo) ? [...LOOPBACK_NAMES, bracketed(boundTo)] : []), ...allowedHosts].map((name) => name.toLowerCase()))
  return async (c, next) => {
    const host = (c.req.header('host') ?? new URL(c.req.url).host).toLowerCase()
    if (checksHost && !names.has(host) && !names.has(host.replace(/:\d{1,5}$/, ''))) {
      throw new CairnError('ORIGIN_REFUSED', `Host: ${JSON.stringify(host.slice(0, 80))} is not a name of this server. Use http://localhost with the port, or start it with this name in allowedHosts.`, { details: { field: 'Host', in: 'header' } })
    }
    const origin = c.req.header('origin')
    if (origin !== undefined && hostOfOrigin(origin) !== host) {
      throw new CairnError('ORIGIN_REFUSED', `Origin: ${JSON.stringify(origin.slice(0, 80))} is another site. Pages of other sites may not use this server.`, { details: { field: 'Origin', in: 'header' } })
    }
    await next()
  }
}

function hostOfOrigin(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined
}

function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}
