import { createRoute } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { etagOf, expectedRevision } from '../etag.ts'
import { exact } from '../exact.ts'
import { ETAG_HEADER, LOCATION_HEADER, body, json, problems } from '../openapi.ts'
import { Deleted, PageQuery, TenantHeaders, pageOf } from '../schemas/common.ts'
import {
  Consolidate, Consolidated, ExpireMemory, Forgotten, LinkMetadata, LinkParam, Linked, Memories, Memory, MemoryChanges, MemoryConflicts, MemoryFilter, MemoryHeaders, MemoryIds, MemoryParam,
  MemoryQuery, MemoryVersion, NeighboursQuery, NewMemories, NewMemory, Reinforced, RelatedMemory, RelatedQuery, Remembered, RememberedMany, Supersede,
} from '../schemas/memory.ts'

const tags = ['memory']
const headers = TenantHeaders
const guarded = { params: MemoryParam, headers: TenantHeaders.extend(MemoryHeaders.shape) }
const ofMemory = { params: MemoryParam, headers }
const refusals = ['AGENT_NOT_FOUND', 'NOT_FOUND', 'DUPLICATE_KEY', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE'] as const

/** What the header If-Match asks for. */
export function versionFrom(ifMatch: string | undefined): { ifVersion?: number } {
  const ifVersion = expectedRevision(ifMatch, undefined)
  return ifVersion === undefined ? {} : { ifVersion }
}

/** What agents remember for long. */
export function memoryRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/memory', tags, summary: 'Remember something, once',
      request: { headers, body: body(NewMemory, 'What to remember.') },
      responses: { 201: json(Remembered, 'The new memory.', LOCATION_HEADER), 200: json(Remembered, 'It was known already.'), ...problems(...refusals) },
    }),
    async (c) => {
      const { conflicts, ...memory } = exact(c.req.valid('json'))
      const remembered = await c.get('cairn').memory.remember(memory, conflicts === undefined ? {} : { conflicts })
      if (!remembered.isNew) return c.json(remembered, 200)
      c.header('Location', `/v1/memory/${remembered.id}`)
      return c.json(remembered, 201)
    },
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/memory-batches', tags, summary: 'Remember many things, all or none',
      request: { headers, body: body(NewMemories, 'Up to 5000 within the largest body.') }, responses: { 200: json(RememberedMany, 'In the order given.'), ...problems(...refusals) },
    }),
    async (c) => c.json({ items: await c.get('cairn').memory.rememberMany(exact(c.req.valid('json')).memories) }, 200),
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/memory', tags, summary: 'List memories', request: { headers, query: MemoryQuery },
      responses: { 200: json(pageOf(Memory), 'A page of memories.'), ...problems('INVALID_CURSOR', 'AGENT_NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').memory.list(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/memory/{memory}', tags, summary: 'Read a memory', request: ofMemory, responses: { 200: json(Memory, 'The memory.', ETAG_HEADER), ...problems('NOT_FOUND') } }),
    async (c) => {
      const found = await c.get('cairn').memory.get(c.req.valid('param').memory)
      c.header('ETag', etagOf(found.version))
      return c.json(found, 200)
    },
  )
  app.openapi(
    createRoute({
      method: 'patch', path: '/v1/memory/{memory}', tags, summary: 'Change a memory, and keep what it was as a version',
      request: { ...guarded, body: body(MemoryChanges, 'What is left out stays.') },
      responses: { 200: json(Memory, 'The memory.', ETAG_HEADER), ...problems('VERSION_CONFLICT', 'DEPENDENCY_CYCLE', ...refusals) },
    }),
    async (c) => {
      const changed = await c.get('cairn').memory.update(c.req.valid('param').memory, exact(c.req.valid('json')), versionFrom(c.req.valid('header')['If-Match']))
      c.header('ETag', etagOf(changed.version))
      return c.json(changed, 200)
    },
  )
  app.openapi(
    createRoute({ method: 'delete', path: '/v1/memory/{memory}', tags, summary: 'Forget a memory with its versions and links', request: ofMemory, responses: { 200: json(Deleted, 'Whether there was one.'), ...problems() } }),
    async (c) => c.json({ deleted: await c.get('cairn').memory.forget(c.req.valid('param').memory) }, 200),
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/memory-forget', tags, summary: 'Forget all memories that fit a filter', request: { headers, body: body(MemoryFilter, 'At least one condition.') }, responses: { 200: json(Forgotten, 'How many.'), ...problems('AGENT_NOT_FOUND') } }),
    async (c) => c.json({ forgotten: await c.get('cairn').memory.forgetWhere(exact(c.req.valid('json'))) }, 200),
  )
  for (const [action, summary] of [['archive', 'Put a memory into the archive'], ['unarchive', 'Take a memory out of the archive']] as const) {
    app.openapi(
      createRoute({ method: 'post', path: `/v1/memory/{memory}/${action}`, tags, summary, request: guarded, responses: { 200: json(Memory, 'The memory.'), ...problems('NOT_FOUND', 'VERSION_CONFLICT') } }),
      async (c) => c.json(await c.get('cairn').memory[action](c.req.valid('param').memory, versionFrom(c.req.valid('header')['If-Match'])), 200),
    )
  }
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/memory/{memory}/expire', tags, summary: 'Let a memory expire', request: { ...guarded, body: body(ExpireMemory, 'When.', false) },
      responses: { 204: { description: 'It will, or has.' }, ...problems('NOT_FOUND', 'VERSION_CONFLICT') },
    }),
    async (c) => {
      const { at = new Date() } = c.req.valid('json')
      await c.get('cairn').memory.expire(c.req.valid('param').memory, at, versionFrom(c.req.valid('header')['If-Match']))
      return c.body(null, 204)
    },
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/memory-reinforce', tags, summary: 'Say that memories were of use now', request: { headers, body: body(MemoryIds, 'Their ids.') }, responses: { 200: json(Reinforced, 'How many there are.'), ...problems() } }),
    async (c) => c.json({ reinforced: await c.get('cairn').memory.reinforce(c.req.valid('json').memories) }, 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/memory/{memory}/versions', tags, summary: 'List what a memory was before its changes', request: { ...ofMemory, query: PageQuery }, responses: { 200: json(pageOf(MemoryVersion), 'Newest first.'), ...problems('NOT_FOUND', 'INVALID_CURSOR') } }),
    async (c) => c.json(await c.get('cairn').memory.versions(c.req.valid('param').memory, exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/memory/{memory}/neighbours', tags, summary: 'List what was remembered next to a memory in its session', request: { ...ofMemory, query: NeighboursQuery }, responses: { 200: json(Memories, 'By position.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json({ items: await c.get('cairn').memory.neighbours(c.req.valid('param').memory, exact(c.req.valid('query'))) }, 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/memory/{memory}/related', tags, summary: 'List the memories that a memory is linked with', request: { ...ofMemory, query: RelatedQuery }, responses: { 200: json(pageOf(RelatedMemory), 'In both directions unless asked otherwise.'), ...problems('NOT_FOUND', 'INVALID_CURSOR') } }),
    async (c) => c.json(await c.get('cairn').memory.related(c.req.valid('param').memory, exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'put', path: '/v1/memory/{memory}/links/{relation}/{to}', tags, summary: 'Link two memories, once', request: { params: LinkParam, headers, body: body(LinkMetadata, 'What to note of the link.', false) }, responses: { 200: json(Linked, 'Whether the link is new.'), ...problems('NOT_FOUND', 'SERIALIZATION_ERROR') } }),
    async (c) => {
      const { memory, relation, to } = c.req.valid('param')
      return c.json({ linked: await c.get('cairn').memory.link(memory, to, relation, exact(c.req.valid('json'))) }, 200)
    },
  )
  app.openapi(
    createRoute({ method: 'delete', path: '/v1/memory/{memory}/links/{relation}/{to}', tags, summary: 'Remove a link of two memories', request: { params: LinkParam, headers }, responses: { 200: json(Deleted, 'Whether there was one.'), ...problems('NOT_FOUND') } }),
    async (c) => {
      const { memory, relation, to } = c.req.valid('param')
      return c.json({ deleted: await c.get('cairn').memory.unlink(memory, to, relation) }, 200)
    },
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/memory/{memory}/conflicts', tags, summary: 'List memories of the same owner that conflict with a memory', request: ofMemory, responses: { 200: json(MemoryConflicts, 'Most alike first.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json({ items: await c.get('cairn').memory.conflicts(c.req.valid('param').memory) }, 200),
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/memory/{memory}/resolve', tags, summary: 'Let a memory supersede others, which go to the archive', request: { ...ofMemory, body: body(Supersede, 'The ids of the others.') }, responses: { 200: json(Memories, 'Those that went there now.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json({ items: await c.get('cairn').memory.resolve({ keep: c.req.valid('param').memory, supersede: c.req.valid('json').supersede }) }, 200),
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/memory-consolidations', tags, summary: 'Make one memory out of many, which go to the archive', request: { headers, body: body(Consolidate, '2 to 500 memories of one owner.') },
      responses: { 201: json(Consolidated, 'The new memory.', LOCATION_HEADER), ...problems('NOT_FOUND', 'VERSION_CONFLICT', 'INVALID_TRANSITION') },
    }),
    async (c) => {
      const { memories, ...options } = exact(c.req.valid('json'))
      const made = await c.get('cairn').memory.consolidate(memories, options)
      c.header('Location', `/v1/memory/${made.id}`)
      return c.json(made, 201)
    },
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/memory/{memory}/unconsolidate', tags, summary: 'Take a consolidation apart', request: ofMemory, responses: { 200: json(Memories, 'The originals, in use again.'), ...problems('NOT_FOUND', 'INVALID_TRANSITION') } }),
    async (c) => c.json({ items: await c.get('cairn').memory.unconsolidate(c.req.valid('param').memory) }, 200),
  )
}
