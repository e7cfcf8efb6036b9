import { createRoute } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { body, json, problems } from '../openapi.ts'
import { TenantHeaders, pageOf } from '../schemas/common.ts'
import { Saga, SagaParam, SagaQuery, SagaResolution, SagaWithSteps } from '../schemas/sagas.ts'

const tags = ['sagas']
const ofSaga = { params: SagaParam, headers: TenantHeaders }

/** Sagas to look at, and to help on when they wait for an operator. They are started by the processes that define them. */
export function sagaRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/sagas', tags, summary: 'List sagas, newest first',
      request: { query: SagaQuery, headers: TenantHeaders },
      responses: { 200: json(pageOf(Saga), 'A page of sagas, without their steps.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').sagas.list(exact(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/sagas/{saga}', tags, summary: 'Read a saga with its steps',
      request: ofSaga,
      responses: { 200: json(SagaWithSteps, 'The saga.'), ...problems('NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').sagas.get(c.req.valid('param').saga), 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/sagas/{saga}/retry', tags, summary: 'Try the step again that stopped a saga',
      request: ofSaga,
      responses: { 200: json(SagaWithSteps, 'The saga, which goes on.'), ...problems('NOT_FOUND', 'INVALID_TRANSITION') },
    }),
    async (c) => c.json(await c.get('cairn').sagas.retry(c.req.valid('param').saga), 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/sagas/{saga}/skip', tags, summary: 'Leave the step that stopped a saga as it is, and go on',
      request: ofSaga,
      responses: { 200: json(SagaWithSteps, 'The saga, which goes on.'), ...problems('NOT_FOUND', 'INVALID_TRANSITION') },
    }),
    async (c) => c.json(await c.get('cairn').sagas.skip(c.req.valid('param').saga), 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/sagas/{saga}/resolve', tags, summary: 'End a saga whose rest was done by hand',
      request: { ...ofSaga, body: body(SagaResolution, 'How it ended.') },
      responses: { 200: json(SagaWithSteps, 'The saga, which has ended.'), ...problems('NOT_FOUND', 'INVALID_TRANSITION') },
    }),
    async (c) => c.json(await c.get('cairn').sagas.resolve(c.req.valid('param').saga, exact(c.req.valid('json'))), 200),
  )
}
