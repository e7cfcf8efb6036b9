import { createRoute } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { LOCATION_HEADER, body, json, problems } from '../openapi.ts'
import {
  Activity, Answer, Compatibility, Completion, Feedback, Fusion, FusionParam, FusionQuery, MaybeReason, NewFusion, NewPartnership, NewRequest, PairParam, PartnersQuery, Partnership, PartnershipChange,
  PartnershipMetrics, PartnershipParam, PartnershipQuery, Proposals, Reason, Request, RequestParam, RequestQuery, Situation, TriggeredList,
} from '../schemas/collaboration.ts'
import { AgentParam, Deleted, PageQuery, TenantHeaders, pageOf } from '../schemas/common.ts'

const tags = ['collaboration']
const headers = TenantHeaders
const ofRequest = { params: RequestParam, headers }
const moved = { 200: json(Request, 'The request.'), ...problems('NOT_FOUND', 'INVALID_TRANSITION') }

/** Partnerships, requests and fused insights. */
export function collaborationRoutes(app: App): void {
  partnershipRoutes(app)
  requestRoutes(app)
  fusionRoutes(app)
}

function partnershipRoutes(app: App): void {
  const ofPartnership = { params: PartnershipParam, headers }
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/collaboration/partnerships', tags, summary: 'Add a partnership of two agents', request: { headers, body: body(NewPartnership, 'Who, and for what.') },
      responses: { 201: json(Partnership, 'The new partnership.', LOCATION_HEADER), ...problems('AGENT_NOT_FOUND', 'DUPLICATE_KEY') },
    }),
    async (c) => {
      const added = await c.get('cairn').collaboration.partnerships.add(exact(c.req.valid('json')))
      c.header('Location', `/v1/collaboration/partnerships/${added.id}`)
      return c.json(added, 201)
    },
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/collaboration/partnerships', tags, summary: 'List partnerships, oldest first', request: { headers, query: PartnershipQuery },
      responses: { 200: json(pageOf(Partnership), 'A page of partnerships.'), ...problems('INVALID_CURSOR', 'AGENT_NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').collaboration.partnerships.list(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/collaboration/partnerships/{partnership}', tags, summary: 'Read a partnership', request: ofPartnership, responses: { 200: json(Partnership, 'The partnership.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').collaboration.partnerships.get(c.req.valid('param').partnership), 200),
  )
  app.openapi(
    createRoute({
      method: 'patch', path: '/v1/collaboration/partnerships/{partnership}', tags, summary: 'Change a partnership', request: { ...ofPartnership, body: body(PartnershipChange, 'What is left out stays.') },
      responses: { 200: json(Partnership, 'The partnership.'), ...problems('NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').collaboration.partnerships.update(c.req.valid('param').partnership, exact(c.req.valid('json'))), 200),
  )
  app.openapi(
    createRoute({ method: 'delete', path: '/v1/collaboration/partnerships/{partnership}', tags, summary: 'Remove a partnership; its requests stay', request: ofPartnership, responses: { 200: json(Deleted, 'Whether there was one.'), ...problems() } }),
    async (c) => c.json({ deleted: await c.get('cairn').collaboration.partnerships.remove(c.req.valid('param').partnership) }, 200),
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/collaboration/metrics', tags, summary: 'List how active partnerships do', request: { headers, query: PageQuery },
      responses: { 200: json(pageOf(PartnershipMetrics), 'A page of metrics.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').collaboration.partnerships.metrics(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/collaboration/agents/{agent}/partners', tags, summary: 'List with whom an agent should work, best first', request: { params: AgentParam, headers, query: PartnersQuery },
      responses: { 200: json(Proposals, 'The partners, and why.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => {
      const { topic, type } = c.req.valid('query')
      return c.json({ items: await c.get('cairn').collaboration.partnerships.recommend(c.req.valid('param').agent, exact({ topics: topic, type })) }, 200)
    },
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/collaboration/agents/{agent}/compatibility/{other}', tags, summary: 'Read how two agents worked together', request: { params: PairParam, headers },
      responses: { 200: json(Compatibility, 'Their compatibility.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => {
      const { agent, other } = c.req.valid('param')
      return c.json(await c.get('cairn').collaboration.partnerships.compatibility(agent, other), 200)
    },
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/collaboration/triggers', tags, summary: 'Ask the automatic triggers of an agent about a situation', request: { headers, body: body(Situation, 'What is the matter.') },
      responses: { 200: json(TriggeredList, 'What each rule says, and the requests that were opened.'), ...problems('AGENT_NOT_FOUND', 'TASK_NOT_FOUND') },
    }),
    async (c) => c.json({ items: await c.get('cairn').collaboration.consider(exact(c.req.valid('json'))) }, 200),
  )
}

function requestRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/collaboration/requests', tags, summary: 'Ask other agents for help', request: { headers, body: body(NewRequest, 'Who asks whom for what.') },
      responses: { 201: json(Request, 'The new request.', LOCATION_HEADER), ...problems('AGENT_NOT_FOUND', 'TASK_NOT_FOUND', 'NOT_FOUND', 'DUPLICATE_KEY', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE') },
    }),
    async (c) => {
      const opened = await c.get('cairn').collaboration.requests.open(exact(c.req.valid('json')))
      c.header('Location', `/v1/collaboration/requests/${opened.id}`)
      return c.json(opened, 201)
    },
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/collaboration/requests', tags, summary: 'List collaboration requests, newest first', request: { headers, query: RequestQuery },
      responses: { 200: json(pageOf(Request), 'A page of requests.'), ...problems('INVALID_CURSOR', 'AGENT_NOT_FOUND', 'NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').collaboration.requests.list(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/collaboration/activity', tags, summary: 'List unfinished requests and those of the last week', request: { headers, query: PageQuery },
      responses: { 200: json(pageOf(Activity), 'A page of activity.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').collaboration.requests.activity(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/collaboration/requests/{request}', tags, summary: 'Read a collaboration request', request: ofRequest, responses: { 200: json(Request, 'The request.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').collaboration.requests.get(c.req.valid('param').request), 200),
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/collaboration/requests/{request}/answers', tags, summary: 'Answer a request as one of its targets', request: { ...ofRequest, body: body(Answer, 'Who, and whether.') },
      responses: { 200: json(Request, 'The request.'), ...problems('NOT_FOUND', 'INVALID_TRANSITION', 'AGENT_NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').collaboration.requests.answer(c.req.valid('param').request, exact(c.req.valid('json'))), 200),
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/collaboration/requests/{request}/start', tags, summary: 'Begin the work of an accepted request', request: ofRequest,
      responses: { 200: json(Request, 'The request.'), ...problems('NOT_FOUND', 'INVALID_TRANSITION', 'COLLABORATION_LIMIT') },
    }),
    async (c) => c.json(await c.get('cairn').collaboration.requests.start(c.req.valid('param').request), 200),
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/collaboration/requests/{request}/complete', tags, summary: 'End a request with its result', request: { ...ofRequest, body: body(Completion, 'What came out.', false) },
      responses: { 200: json(Request, 'The request.'), ...problems('NOT_FOUND', 'INVALID_TRANSITION', 'AGENT_NOT_FOUND', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE') },
    }),
    async (c) => c.json(await c.get('cairn').collaboration.requests.complete(c.req.valid('param').request, exact(c.req.valid('json'))), 200),
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/collaboration/requests/{request}/fail', tags, summary: 'End a request that did not succeed', request: { ...ofRequest, body: body(Reason, 'Why.') }, responses: moved }),
    async (c) => c.json(await c.get('cairn').collaboration.requests.fail(c.req.valid('param').request, c.req.valid('json').reason), 200),
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/collaboration/requests/{request}/cancel', tags, summary: 'Give a request up', request: { ...ofRequest, body: body(MaybeReason, 'Why.', false) }, responses: moved }),
    async (c) => c.json(await c.get('cairn').collaboration.requests.cancel(c.req.valid('param').request, exact(c.req.valid('json')).reason), 200),
  )
  app.openapi(
    createRoute({
      method: 'put', path: '/v1/collaboration/requests/{request}/feedback', tags, summary: 'Rate a collaboration, or one who took part', request: { ...ofRequest, body: body(Feedback, 'How it was.') },
      responses: { 200: json(Request, 'The request.'), ...problems('NOT_FOUND', 'INVALID_TRANSITION', 'AGENT_NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').collaboration.requests.giveFeedback(c.req.valid('param').request, exact(c.req.valid('json'))), 200),
  )
}

function fusionRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/collaboration/fusions', tags, summary: 'Make one insight of many', request: { headers, body: body(NewFusion, 'What each agent thinks, and by which method.') },
      responses: { 201: json(Fusion, 'The fused insight, stored.', LOCATION_HEADER), ...problems('NOT_FOUND', 'DUPLICATE_KEY', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE') },
    }),
    async (c) => {
      const fused = await c.get('cairn').collaboration.fusions.fuse(exact(c.req.valid('json')))
      c.header('Location', `/v1/collaboration/fusions/${fused.id}`)
      return c.json(fused, 201)
    },
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/collaboration/fusions', tags, summary: 'List fused insights, newest first', request: { headers, query: FusionQuery },
      responses: { 200: json(pageOf(Fusion), 'A page of fusions.'), ...problems('INVALID_CURSOR', 'NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').collaboration.fusions.list(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/collaboration/fusions/{fusion}', tags, summary: 'Read a fused insight', request: { params: FusionParam, headers }, responses: { 200: json(Fusion, 'The fusion.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').collaboration.fusions.get(c.req.valid('param').fusion), 200),
  )
}
