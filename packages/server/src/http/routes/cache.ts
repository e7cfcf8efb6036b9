import { createRoute } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { body, json, problems } from '../openapi.ts'
import { TenantHeaders } from '../schemas/common.ts'
import { CacheInvalidated, CacheInvalidation, CacheStats } from '../schemas/lifecycle.ts'

const tags = ['cache']

/** The cache is filled by code, not over HTTP; it is watched and emptied here. */
export function cacheRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/cache/stats', tags, summary: 'Counters of the cache of this server, of all tenants',
      request: { headers: TenantHeaders }, responses: { 200: json(CacheStats, 'The counters.'), ...problems() },
    }),
    (c) => c.json(c.get('cairn').cache.stats(), 200),
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/cache/invalidate', tags, summary: 'End cached entries by key, by tag or all of them, in every process',
      request: { headers: TenantHeaders, body: body(CacheInvalidation, 'What ends.') }, responses: { 200: json(CacheInvalidated, 'It has ended here.'), ...problems() },
    }),
    async (c) => c.json(await c.get('cairn').cache.invalidate(exact(c.req.valid('json'))), 200),
  )
}
