import { createRoute } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { LOCATION_HEADER, body, json, problems } from '../openapi.ts'
import { Deleted, TenantHeaders, pageOf } from '../schemas/common.ts'
import { ChoiceQuery, Model, ModelChanges, ModelParam, ModelQuery, NewModel } from '../schemas/models.ts'

const tags = ['models']
const headers = TenantHeaders
const ofModel = { params: ModelParam, headers }
const refusals = ['DUPLICATE_KEY', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE'] as const

/** The registry of models. Calls are made by programs, which keep the statistics. */
export function modelRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/models', tags, summary: 'Register a model', request: { headers, body: body(NewModel, 'What it is called and what it can do.') },
      responses: { 201: json(Model, 'The new model.', LOCATION_HEADER), ...problems(...refusals) },
    }),
    async (c) => {
      const registered = await c.get('cairn').models.register(exact(c.req.valid('json')))
      c.header('Location', `/v1/models/${registered.id}`)
      return c.json(registered, 201)
    },
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/models', tags, summary: 'List models by name', request: { headers, query: ModelQuery }, responses: { 200: json(pageOf(Model), 'A page of models.'), ...problems('INVALID_CURSOR') } }),
    async (c) => {
      const { capability, ...filter } = c.req.valid('query')
      return c.json(await c.get('cairn').models.list(exact({ ...filter, ...(capability === undefined ? {} : { capabilities: capability }) })), 200)
    },
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/model-choice', tags, summary: 'Choose the best model that has the capabilities and is well', request: { headers, query: ChoiceQuery },
      responses: { 200: json(Model, 'The model.'), ...problems('MODEL_UNAVAILABLE') },
    }),
    async (c) => {
      const { capability, ...wish } = c.req.valid('query')
      return c.json(await c.get('cairn').models.choose(exact({ ...wish, ...(capability === undefined ? {} : { capabilities: capability }) })), 200)
    },
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/models/{model}', tags, summary: 'Read a model with its health and statistics', request: ofModel, responses: { 200: json(Model, 'The model.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').models.get(c.req.valid('param').model), 200),
  )
  app.openapi(
    createRoute({
      method: 'patch', path: '/v1/models/{model}', tags, summary: 'Change a model', request: { ...ofModel, body: body(ModelChanges, 'What is left out stays as it is.') },
      responses: { 200: json(Model, 'The model.'), ...problems('NOT_FOUND', ...refusals) },
    }),
    async (c) => c.json(await c.get('cairn').models.update(c.req.valid('param').model, exact(c.req.valid('json'))), 200),
  )
  app.openapi(
    createRoute({ method: 'delete', path: '/v1/models/{model}', tags, summary: 'Remove a model with its statistics', request: ofModel, responses: { 200: json(Deleted, 'Whether there was one.'), ...problems() } }),
    async (c) => c.json({ deleted: await c.get('cairn').models.remove(c.req.valid('param').model) }, 200),
  )
}
