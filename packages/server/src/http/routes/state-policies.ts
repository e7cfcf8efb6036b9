import { createRoute } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { etagOf } from '../etag.ts'
import { exact } from '../exact.ts'
import { ETAG_HEADER, body, json, problems } from '../openapi.ts'
import { Deleted, TenantHeaders, pageOf } from '../schemas/common.ts'
import { ConflictPolicy, ConflictPolicyParam, ConflictPolicyQuery, ConflictResult, CrdtOperation, NewConflictPolicy } from '../schemas/state-policies.ts'
import { DeleteHeaders, KeyParams, SetQuery } from '../schemas/state.ts'

const tags = ['state']

/** How two writes of one key are resolved, and the operations of CRDT values. */
export function statePolicyRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/state-policies', tags, summary: 'List the conflict policies',
      request: { headers: TenantHeaders, query: ConflictPolicyQuery },
      responses: { 200: json(pageOf(ConflictPolicy), 'A page of policies, in the order they were made.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').state.policies.list(exact(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'put', path: '/v1/state-policies', tags, summary: 'Make the conflict policy of a scope, or replace it',
      request: { headers: TenantHeaders, body: body(NewConflictPolicy, 'Of which keys, and how.') },
      responses: { 200: json(ConflictPolicy, 'The policy, in force in this server.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').state.policies.set(exact(c.req.valid('json'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'delete', path: '/v1/state-policies/{policy}', tags, summary: 'Remove a conflict policy; the keys keep their values',
      request: { params: ConflictPolicyParam, headers: TenantHeaders },
      responses: { 200: json(Deleted, 'Whether there was one.'), ...problems() },
    }),
    async (c) => c.json({ deleted: await c.get('cairn').state.policies.remove(c.req.valid('param').policy) }, 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/agents/{agent}/state/{key}/operations', tags, summary: 'Apply an operation to a CRDT value',
      request: { params: KeyParams, headers: DeleteHeaders.omit({ 'If-Match': true }), query: SetQuery, body: body(CrdtOperation, 'The operation.') },
      responses: {
        200: json(ConflictResult, 'Applied.', ETAG_HEADER),
        ...problems('AGENT_NOT_FOUND', 'VERSION_CONFLICT', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE', 'HOT_TIER_UNAVAILABLE', 'OUTCOME_UNKNOWN'),
      },
    }),
    async (c) => {
      const { agent, key } = c.req.valid('param')
      const operationId = c.req.header('idempotency-key')
      const options = { ...exact(c.req.valid('query')), ...(operationId === undefined ? {} : { operationId }) }
      const { revision, outcome } = await c.get('cairn').state.merge(agent, key, c.req.valid('json'), options)
      return c.json({ key, revision, outcome }, 200, { ETag: etagOf(revision) })
    },
  )
}
