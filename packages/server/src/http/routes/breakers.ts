import { createRoute } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { body, json, problems } from '../openapi.ts'
import { Breaker, BreakerEvent, BreakerEventQuery, BreakerParam, BreakerQuery, Move, NewBreakerConfig } from '../schemas/breakers.ts'
import { TenantHeaders, pageOf } from '../schemas/common.ts'

const tags = ['breakers']
const ofBreaker = { params: BreakerParam, headers: TenantHeaders }

/** Circuit breakers: what state they are in, how they decide, and holding them open or closed. */
export function breakerRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/breakers', tags, summary: 'List circuit breakers by name',
      request: { query: BreakerQuery, headers: TenantHeaders },
      responses: { 200: json(pageOf(Breaker), 'A page of breakers.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').resilience.breakers.list(exact(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/breaker-events', tags, summary: 'List changes of state, newest first',
      request: { query: BreakerEventQuery, headers: TenantHeaders },
      responses: { 200: json(pageOf(BreakerEvent), 'A page of events.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').resilience.breakers.events(exact(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/breakers/{service}', tags, summary: 'Read a circuit breaker',
      request: ofBreaker,
      responses: { 200: json(Breaker, 'The breaker.'), ...problems('NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').resilience.breakers.get(c.req.valid('param').service), 200),
  )

  app.openapi(
    createRoute({
      method: 'put', path: '/v1/breakers/{service}/config', tags, summary: 'Set how a circuit breaker decides',
      request: { ...ofBreaker, body: body(NewBreakerConfig, 'What is left out has its default.') },
      responses: { 200: json(Breaker, 'The breaker.'), ...problems() },
    }),
    async (c) => c.json(await c.get('cairn').resilience.breakers.configure(c.req.valid('param').service, exact(c.req.valid('json'))), 200),
  )

  for (const [action, summary, run] of [
    ['open', 'Refuse every call until it is reset', 'forceOpen'],
    ['close', 'Let every call through until it is reset', 'forceClose'],
    ['reset', 'Close it, and let it decide by itself again', 'reset'],
  ] as const) {
    app.openapi(
      createRoute({
        method: 'post', path: `/v1/breakers/{service}/${action}`, tags, summary,
        request: { ...ofBreaker, body: body(Move, 'Why; kept in the events.', false) },
        responses: { 200: json(Breaker, 'The breaker.'), ...problems() },
      }),
      async (c) => c.json(await c.get('cairn').resilience.breakers[run](c.req.valid('param').service, c.req.valid('json').reason), 200),
    )
  }
}
