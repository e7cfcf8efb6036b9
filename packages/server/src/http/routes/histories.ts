import type { HistoryName } from '@cairn/core'
import { createRoute } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { body, json, problems } from '../openapi.ts'
import { Deleted, TenantHeaders, pageOf } from '../schemas/common.ts'
import { AllItems, ChangeHeaders, ClearBody, History, HistoryChange, HistoryItem, HistoryItemQuery, HistoryParam, HistoryQuery, ItemList, NamespaceQuery, NewItems, NewestQuery, PopBody, Popped, Rewrites, SuffixReplacement } from '../schemas/histories.ts'

const tags = ['histories']
const path = '/v1/histories/{history}'
const ofHistory = { params: HistoryParam, headers: TenantHeaders, query: NamespaceQuery }
const ofChange = { params: HistoryParam, headers: ChangeHeaders, query: NamespaceQuery }
const CHANGE_PROBLEMS = ['DUPLICATE_KEY', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE'] as const

const nameOf = ({ history }: { history: string }, { namespace }: { namespace?: string | undefined }): HistoryName => ({ key: history, namespace: namespace ?? '' })
const operationOf = (key: string | undefined): { operationId?: string } => (key === undefined ? {} : { operationId: key })

/** The ordered items of sessions. */
export function historyRoutes(app: App): void {
  readRoutes(app)
  endRoutes(app)
  replaceRoutes(app)
}

function readRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/histories', tags, summary: 'List histories, by namespace and key',
      request: { headers: TenantHeaders, query: HistoryQuery },
      responses: { 200: json(pageOf(History), 'A page of histories, without their items.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').histories.list(exact(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path, tags, summary: 'Read a history, without its items',
      request: ofHistory,
      responses: { 200: json(History, 'The history.'), ...problems('NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').histories.get(nameOf(c.req.valid('param'), c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: `${path}/items`, tags, summary: 'List the items of a history, by position',
      request: { ...ofHistory, query: HistoryItemQuery },
      responses: { 200: json(pageOf(HistoryItem), 'A page of items.'), ...problems('NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => {
      const { namespace, ...options } = c.req.valid('query')
      return c.json(await c.get('cairn').histories.items(nameOf(c.req.valid('param'), { namespace }), exact(options)), 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: `${path}/newest`, tags, summary: 'Read the newest items, oldest of them first',
      request: { ...ofHistory, query: NewestQuery },
      responses: { 200: json(ItemList, 'The items; none when there is no such history.'), ...problems() },
    }),
    async (c) => {
      const query = c.req.valid('query')
      return c.json({ items: await c.get('cairn').histories.newest(nameOf(c.req.valid('param'), query), query.limit) }, 200)
    },
  )
}

function endRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'post', path: `${path}/items`, tags, summary: 'Append items to a history',
      request: { ...ofChange, body: body(NewItems, 'The items, in order.') },
      responses: { 201: json(HistoryChange, 'They are stored.'), ...problems(...CHANGE_PROBLEMS) },
    }),
    async (c) => {
      const { items, ...options } = exact(c.req.valid('json'))
      const change = await c.get('cairn').histories.append(nameOf(c.req.valid('param'), c.req.valid('query')), items, { ...options, ...operationOf(c.req.header('idempotency-key')) })
      return c.json(change, 201)
    },
  )

  app.openapi(
    createRoute({
      method: 'post', path: `${path}/pop`, tags, summary: 'Take the last item away',
      request: { ...ofChange, body: body(PopBody, 'Nothing.', false) },
      responses: { 200: json(Popped, 'The item, or null when there is none.'), ...problems('DUPLICATE_KEY') },
    }),
    async (c) => {
      const popped = await c.get('cairn').histories.pop(nameOf(c.req.valid('param'), c.req.valid('query')), operationOf(c.req.header('idempotency-key')))
      return c.json({ popped: popped ?? null }, 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'post', path: `${path}/clear`, tags, summary: 'Take all items away',
      request: { ...ofChange, body: body(ClearBody, 'Whether to forget the operations applied.', false) },
      responses: { 200: json(HistoryChange, 'The history is empty.'), ...problems('DUPLICATE_KEY') },
    }),
    async (c) => {
      const options = { ...exact(c.req.valid('json')), ...operationOf(c.req.header('idempotency-key')) }
      return c.json(await c.get('cairn').histories.clear(nameOf(c.req.valid('param'), c.req.valid('query')), options), 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'delete', path, tags, summary: 'Delete a history with its items',
      request: ofHistory,
      responses: { 200: json(Deleted, 'Whether there was one.'), ...problems() },
    }),
    async (c) => c.json({ deleted: await c.get('cairn').histories.delete(nameOf(c.req.valid('param'), c.req.valid('query'))) }, 200),
  )
}

function replaceRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'put', path: `${path}/items`, tags, summary: 'Replace all items in one step',
      request: { ...ofChange, body: body(AllItems, 'All items from now on.') },
      responses: { 200: json(HistoryChange, 'They are stored.'), ...problems(...CHANGE_PROBLEMS) },
    }),
    async (c) => {
      const options = operationOf(c.req.header('idempotency-key'))
      return c.json(await c.get('cairn').histories.replaceAll(nameOf(c.req.valid('param'), c.req.valid('query')), c.req.valid('json').items, options), 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'patch', path: `${path}/items`, tags, summary: 'Rewrite items in place',
      request: { ...ofChange, body: body(Rewrites, 'What to set and to remove.') },
      responses: { 200: json(HistoryChange, 'They are rewritten.'), ...problems('NOT_FOUND', 'VERSION_CONFLICT', ...CHANGE_PROBLEMS) },
    }),
    async (c) => {
      const { changes, ifRevision } = exact(c.req.valid('json'))
      const options = { ...operationOf(c.req.header('idempotency-key')), ...(ifRevision === undefined ? {} : { ifRevision }) }
      return c.json(await c.get('cairn').histories.rewrite(nameOf(c.req.valid('param'), c.req.valid('query')), changes, options), 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'post', path: `${path}/replace-suffix`, tags, summary: 'Replace the last items, if they are those expected',
      request: { ...ofChange, body: body(SuffixReplacement, 'What the last items must be, and what stands in their place.') },
      responses: { 200: json(HistoryChange, 'They are replaced.'), ...problems('VERSION_CONFLICT', ...CHANGE_PROBLEMS) },
    }),
    async (c) => {
      const options = operationOf(c.req.header('idempotency-key'))
      return c.json(await c.get('cairn').histories.replaceSuffix(nameOf(c.req.valid('param'), c.req.valid('query')), c.req.valid('json'), options), 200)
    },
  )
}
