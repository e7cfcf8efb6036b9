import { CairnError } from '@cairn/core'
import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { body, json, problems } from '../openapi.ts'
import { Deleted, PageQuery, TenantHeaders, pageOf } from '../schemas/common.ts'
import { BatchResult, Collection, CollectionParam, Document, DocumentBatch, DocumentLookup, DocumentSearch, ItemParam, LookupResult, PathsQuery, PlaceQuery, PutDocument, PutResult, ReadQuery, SearchResult } from '../schemas/documents.ts'

const tags = ['documents']
const headers = TenantHeaders
const ofItem = { params: ItemParam, headers }
const ofCollection = { params: CollectionParam, headers }

/** JSON documents by collection, path and key. */
export function documentRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/documents', tags, summary: 'List the collections that have documents',
      request: { headers, query: PageQuery },
      responses: { 200: json(pageOf(Collection), 'A page of collections.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').documents.collections(exact(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'put', path: '/v1/documents/{collection}/items/{key}', tags, summary: 'Store a document, or replace it',
      request: { ...ofItem, query: PlaceQuery, body: body(PutDocument, 'What it says.') },
      responses: { 200: json(PutResult, 'Its new revision.'), ...problems('SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE') },
    }),
    async (c) => {
      const { collection, key } = c.req.valid('param')
      const document = { key, ...c.req.valid('query'), ...c.req.valid('json') }
      return c.json(await c.get('cairn').documents.collection(collection).put(exact(document)), 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/documents/{collection}/items/{key}', tags, summary: 'Read a document',
      request: { ...ofItem, query: ReadQuery },
      responses: { 200: json(Document, 'The document.'), ...problems('NOT_FOUND') },
    }),
    async (c) => {
      const { collection, key } = c.req.valid('param')
      const { path = [], ...options } = c.req.valid('query')
      const document = await c.get('cairn').documents.collection(collection).get({ path, key }, exact(options))
      if (document === null) throw new CairnError('NOT_FOUND', `No document ${JSON.stringify([...path, key].join('/'))} in the collection ${JSON.stringify(collection)}.`, { details: { path, key } })
      return c.json(document, 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'delete', path: '/v1/documents/{collection}/items/{key}', tags, summary: 'Delete a document',
      request: { ...ofItem, query: PlaceQuery },
      responses: { 200: json(Deleted, 'Whether there was one.'), ...problems() },
    }),
    async (c) => {
      const { collection, key } = c.req.valid('param')
      return c.json({ deleted: await c.get('cairn').documents.collection(collection).delete(exact({ key, ...c.req.valid('query') })) }, 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/documents/{collection}/batch', tags, summary: 'Delete and store many, all or nothing',
      request: { ...ofCollection, body: body(DocumentBatch, 'What to change.') },
      responses: { 200: json(BatchResult, 'What was done.'), ...problems('SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE') },
    }),
    async (c) => c.json(await c.get('cairn').documents.collection(c.req.valid('param').collection).write(exact(c.req.valid('json'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/documents/{collection}/lookup', tags, summary: 'Read many documents',
      request: { ...ofCollection, body: body(DocumentLookup, 'Which ones.') },
      responses: { 200: json(LookupResult, 'One for each, in their order; null where there is none.'), ...problems() },
    }),
    async (c) => {
      const { refs, ...options } = c.req.valid('json')
      return c.json({ items: await c.get('cairn').documents.collection(c.req.valid('param').collection).getMany(exact(refs), exact(options)) }, 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/documents/{collection}/search', tags, summary: 'Find documents by path, filter and words',
      request: { ...ofCollection, body: body(DocumentSearch, 'What to look for.', false) },
      responses: { 200: json(SearchResult, 'A page of documents, the best first.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').documents.collection(c.req.valid('param').collection).search(exact(c.req.valid('json'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/documents/{collection}/paths', tags, summary: 'List the paths that have documents',
      request: { ...ofCollection, query: PathsQuery },
      responses: { 200: json(pageOf(z.array(z.string())), 'A page of paths.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').documents.collection(c.req.valid('param').collection).listPaths(exact(c.req.valid('query'))), 200),
  )
}
