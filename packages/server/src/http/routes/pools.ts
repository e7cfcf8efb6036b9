import { createRoute } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { json, problems } from '../openapi.ts'
import { TenantHeaders } from '../schemas/common.ts'
import { ConnectionList, PoolsReport } from '../schemas/pools.ts'

const tags = ['operations']

/** The connections of this process and of its server. */
export function poolRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/pools', tags, summary: 'Ask each pool for an answer, with its numbers and alerts',
      request: { headers: TenantHeaders },
      responses: { 200: json(PoolsReport, 'What was found, also when a pool does not answer.'), ...problems() },
    }),
    async (c) => c.json(await c.get('cairn').pools.check(), 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/pools/connections', tags, summary: "The server's connections by user, application, client and state",
      request: { headers: TenantHeaders },
      responses: { 200: json(ConnectionList, 'Most first; without the connection that asks.'), ...problems('PERMISSION_DENIED') },
    }),
    async (c) => c.json({ items: await c.get('cairn').pools.connections() }, 200),
  )
}
