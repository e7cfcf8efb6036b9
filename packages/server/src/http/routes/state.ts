import { CairnError } from '@cairn/core'
import { createRoute } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { etagOf, expectedRevision, isNotModified } from '../etag.ts'
import { exact } from '../exact.ts'
import { ETAG_HEADER, body, json, problems } from '../openapi.ts'
import { AgentParam, TenantHeaders, pageOf } from '../schemas/common.ts'
import { DeleteHeaders, DeleteQuery, JsonValue, KeyParams, PutQuery, ReadHeaders, SetQuery, StateBatch, StateBatchResult, StateDeleted, StateEntry, StateListQuery, StateLookup, StateLookupResult, StateStats, StateWritten, WriteHeaders } from '../schemas/state.ts'

const tags = ['state']
const path = '/v1/agents/{agent}/state/{key}'
const WRITE_PROBLEMS = ['AGENT_NOT_FOUND', 'VERSION_CONFLICT', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE', 'HOT_TIER_UNAVAILABLE', 'OUTCOME_UNKNOWN', 'MERGE_UNDEFINED', 'MERGE_FAILED'] as const

/** The keyed, versioned state of agents. The revision is the ETag; conditional headers are the compare-and-set. */
export function stateRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path, tags, summary: 'Read a key',
      request: { params: KeyParams, headers: ReadHeaders },
      responses: { 200: json(StateEntry, 'The entry.', ETAG_HEADER), 304: { description: 'The key is still at the revision in If-None-Match.' }, ...problems('NOT_FOUND', 'AGENT_NOT_FOUND', 'CONSISTENCY_VIOLATION') },
    }),
    async (c) => {
      const { agent, key } = c.req.valid('param')
      const entry = await c.get('cairn').state.get(agent, key)
      if (entry === undefined) throw new CairnError('NOT_FOUND', `Agent ${JSON.stringify(agent)} has no state ${JSON.stringify(key)}.`, { details: { agent, key } })
      c.header('ETag', etagOf(entry.revision))
      c.header('Cache-Control', 'no-cache')
      return isNotModified(c.req.header('if-none-match'), entry.revision) ? c.body(null, 304) : c.json(entry, 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'put', path, tags, summary: 'Write a key; the body is the value',
      request: { params: KeyParams, headers: WriteHeaders, query: PutQuery, body: body(JsonValue, 'The value itself.') },
      responses: { 200: json(StateWritten, 'Written.', ETAG_HEADER), ...problems(...WRITE_PROBLEMS) },
    }),
    async (c) => {
      const { agent, key } = c.req.valid('param')
      const options = { ...exact(c.req.valid('query')), ...conditions(c.req.header('if-match'), c.req.header('if-none-match'), c.req.header('idempotency-key')) }
      const result = await c.get('cairn').state.set(agent, key, c.req.valid('json'), options)
      const { revision } = result
      return c.json({ key, ...result }, 200, { ETag: etagOf(revision) })
    },
  )

  app.openapi(
    createRoute({
      method: 'delete', path, tags, summary: 'Delete a key',
      request: { params: KeyParams, headers: DeleteHeaders, query: DeleteQuery },
      responses: { 200: json(StateDeleted, 'Whether there was one.'), ...problems(...WRITE_PROBLEMS) },
    }),
    async (c) => {
      const { agent, key } = c.req.valid('param')
      const options = { ...exact(c.req.valid('query')), ...conditions(c.req.header('if-match'), undefined, c.req.header('idempotency-key')) }
      return c.json(await c.get('cairn').state.delete(agent, key, options), 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents/{agent}/state', tags, summary: 'List the entries of an agent, by key',
      request: { params: AgentParam, headers: TenantHeaders, query: StateListQuery },
      responses: { 200: json(pageOf(StateEntry), 'A page of entries.'), ...problems('AGENT_NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').state.list(c.req.valid('param').agent, exact(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/agents/{agent}/state-batch', tags, summary: 'Set and delete several keys, side by side and not as one transaction',
      request: { params: AgentParam, headers: TenantHeaders, query: SetQuery, body: body(StateBatch, 'What to set and to delete.') },
      responses: { 200: json(StateBatchResult, 'All is acknowledged.'), ...problems(...WRITE_PROBLEMS) },
    }),
    async (c) => {
      const { agent } = c.req.valid('param')
      const { set = {}, delete: keys = [] } = c.req.valid('json')
      const both = keys.find((key) => Object.hasOwn(set, key))
      if (both !== undefined) throw new CairnError('INVALID_ARGUMENT', `delete: the key ${JSON.stringify(both)} is also in set.`, { details: { field: 'delete' } })
      const options = exact(c.req.valid('query'))
      const { state } = c.get('cairn')
      const revisions = await state.setMany(agent, set, options)
      const ack = options.ack === undefined ? {} : { ack: options.ack }
      const results = await Promise.all(keys.map((key) => state.delete(agent, key, ack)))
      return c.json({ revisions, deleted: keys.filter((_, index) => results[index]?.deleted === true) }, 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/agents/{agent}/state-lookup', tags, summary: 'Read several keys',
      request: { params: AgentParam, headers: TenantHeaders, body: body(StateLookup, 'The keys.') },
      responses: { 200: json(StateLookupResult, 'The entries that exist.'), ...problems('AGENT_NOT_FOUND', 'CONSISTENCY_VIOLATION') },
    }),
    async (c) => c.json({ entries: await c.get('cairn').state.getMany(c.req.valid('param').agent, c.req.valid('json').keys) }, 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/state/flush', tags, summary: 'Wait until all that this server has acknowledged is in SQL',
      request: { headers: TenantHeaders },
      responses: { 204: { description: 'It is.' }, ...problems() },
    }),
    async (c) => {
      await c.get('cairn').state.flush()
      return c.body(null, 204)
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/state/stats', tags, summary: 'Counters of the tiers of this server, of all tenants',
      request: { headers: TenantHeaders },
      responses: { 200: json(StateStats, 'The counters.'), ...problems() },
    }),
    (c) => c.json(c.get('cairn').state.stats(), 200),
  )
}

function conditions(ifMatch: string | undefined, ifNoneMatch: string | undefined, idempotencyKey: string | undefined): { ifRevision?: number; operationId?: string } {
  const ifRevision = expectedRevision(ifMatch, ifNoneMatch)
  if (idempotencyKey !== undefined && !/^[\x21-\x7e]{1,200}$/.test(idempotencyKey)) {
    throw new CairnError('INVALID_ARGUMENT', 'Idempotency-Key: it must be 1 to 200 visible ASCII characters.', { details: { field: 'Idempotency-Key', in: 'header' } })
  }
  return { ...(ifRevision === undefined ? {} : { ifRevision }), ...(idempotencyKey === undefined ? {} : { operationId: idempotencyKey }) }
}
