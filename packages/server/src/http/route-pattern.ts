import { matchedRoutes } from 'hono/route'
import type { AppContext } from './app-env.ts'

/** The pattern of the route that took the request, as in the OpenAPI document; `unmatched` when none did. */
export function routePattern(c: AppContext): string {
  const route = matchedRoutes(c).findLast(({ method }) => method !== 'ALL')
  return route === undefined ? 'unmatched' : route.path.replaceAll(/:(\w+)/g, '{$1}')
}
