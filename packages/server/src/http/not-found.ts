import { CairnError } from '@cairn/core'
import type { App, AppContext } from './app-env.ts'

const METHODS = ['GET', 'PUT', 'POST', 'PATCH', 'DELETE'] as const

/** For a request that no route took: METHOD_NOT_ALLOWED when the path has other methods, else NOT_FOUND. */
export function noSuchRoute(app: App, c: AppContext): CairnError {
  const allowed: string[] = METHODS.filter((method) => app.router.match(method, c.req.path)[0].some(([[, route]]) => route.method !== 'ALL'))
  if (allowed.includes('GET')) allowed.push('HEAD')
  if (allowed.length === 0) {
    return new CairnError('NOT_FOUND', `Nothing is served at ${JSON.stringify(c.req.path.slice(0, 200))}. /openapi.json lists the routes.`, { details: { path: c.req.path.slice(0, 200) } })
  }
  return new CairnError('METHOD_NOT_ALLOWED', `${c.req.method} is not a method of this path. Use ${allowed.join(', ')}.`, { details: { allowed } })
}
