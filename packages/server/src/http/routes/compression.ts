import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { bytesOfBody } from '../json-bytes.ts'
import { LOCATION_HEADER, body, json, problems } from '../openapi.ts'
import { AgentParam, Deleted, TenantHeaders, pageOf } from '../schemas/common.ts'
import { AgentAlgorithms, CompressionAlgorithm, CompressionChoice, CompressionRequest, CompressionRequestParam, CompressionRequestQuery, NewCompressionRequest, NewMeasurement, Packed, Packing, Unpacking } from '../schemas/compression.ts'

const tags = ['compression']
const ofRequest = { params: CompressionRequestParam, headers: TenantHeaders }
const BYTES = 'application/octet-stream'

/** Compression: what algorithms do, packed blobs, and requests that agents execute. */
export function compressionRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/compression/algorithms', tags, summary: 'List the algorithms with what their calls measured', request: { headers: TenantHeaders },
      responses: { 200: json(pageOf(CompressionAlgorithm), 'All of them.'), ...problems() },
    }),
    async (c) => c.json(await c.get('cairn').compression.algorithms(), 200),
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/compression/measure', tags, summary: 'Measure the algorithms on some bytes and choose the best for a goal',
      request: { headers: TenantHeaders, body: body(NewMeasurement, 'The bytes, and what is wanted.') },
      responses: { 200: json(CompressionChoice, 'The choice, and why.'), ...problems('PAYLOAD_TOO_LARGE') },
    }),
    async (c) => {
      const { base64, text, ...options } = exact(c.req.valid('json'))
      const choice = await c.get('cairn').compression.choose({ sample: bytesOfBody({ base64, text }), ...options })
      return c.json({ ...choice, measurements: [...choice.measurements] }, 200)
    },
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/compression/pack', tags, summary: 'Compress bytes into a blob that names its algorithm and verifies itself',
      request: { headers: TenantHeaders, body: body(Packing, 'The bytes, and how.') },
      responses: { 200: json(Packed, 'The blob.'), ...problems('PAYLOAD_TOO_LARGE', 'CAPABILITY_MISSING') },
    }),
    async (c) => {
      const { base64, text, ...options } = exact(c.req.valid('json'))
      const blob = await c.get('cairn').compression.pack(bytesOfBody({ base64, text }), options)
      return c.json({ base64: Buffer.from(blob).toString('base64'), bytes: blob.byteLength }, 200)
    },
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/compression/unpack', tags, summary: 'The plain bytes of a packed blob, verified',
      request: { headers: TenantHeaders, body: body(Unpacking, 'The blob.') },
      responses: { 200: json(Packed, 'The plain bytes.'), ...problems('COMPRESSED_DATA_CORRUPT', 'DECOMPRESSION_LIMIT', 'CAPABILITY_MISSING') },
    }),
    async (c) => {
      const { base64, ...options } = exact(c.req.valid('json'))
      const plain = await c.get('cairn').compression.unpack(Buffer.from(base64, 'base64'), options)
      return c.json({ base64: Buffer.from(plain).toString('base64'), bytes: plain.byteLength }, 200)
    },
  )
  agentAlgorithmRoutes(app)
  requestRoutes(app)
}

function agentAlgorithmRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents/{agent}/compression-algorithms', tags, summary: 'Which algorithms an agent takes; none means all', request: { params: AgentParam, headers: TenantHeaders },
      responses: { 200: json(AgentAlgorithms, 'Their ids.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => c.json({ algorithms: await c.get('cairn').compression.agentAlgorithms(c.req.valid('param').agent) }, 200),
  )
  app.openapi(
    createRoute({
      method: 'put', path: '/v1/agents/{agent}/compression-algorithms', tags, summary: 'Say which algorithms an agent takes',
      request: { params: AgentParam, headers: TenantHeaders, body: body(AgentAlgorithms, 'Their ids; none means all.') },
      responses: { 200: json(AgentAlgorithms, 'Their ids.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => c.json({ algorithms: await c.get('cairn').compression.setAgentAlgorithms(c.req.valid('param').agent, c.req.valid('json').algorithms) }, 200),
  )
}

function requestRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/compression/requests', tags, summary: 'Have bytes compressed or decompressed by an agent, as a task',
      request: { headers: TenantHeaders, body: body(NewCompressionRequest, 'The bytes, and how.') },
      responses: { 201: json(CompressionRequest, 'The request.', LOCATION_HEADER), ...problems('AGENT_NOT_FOUND', 'PAYLOAD_TOO_LARGE', 'SERIALIZATION_ERROR') },
    }),
    async (c) => {
      const { base64, text, ...options } = exact(c.req.valid('json'))
      const request = await c.get('cairn').compression.requests.create({ data: bytesOfBody({ base64, text }), ...options })
      return c.json(request, 201, { Location: `/v1/compression/requests/${request.id}` })
    },
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/compression/requests', tags, summary: 'List compression requests, newest first', request: { headers: TenantHeaders, query: CompressionRequestQuery },
      responses: { 200: json(pageOf(CompressionRequest), 'A page of requests.'), ...problems('INVALID_CURSOR', 'AGENT_NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').compression.requests.list(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/compression/requests/{request}', tags, summary: 'Read a compression request', request: ofRequest, responses: { 200: json(CompressionRequest, 'The request.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').compression.requests.get(c.req.valid('param').request), 200),
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/compression/requests/{request}/output', tags, summary: 'What a completed request made', request: ofRequest,
      responses: { 200: { description: 'The bytes.', content: { [BYTES]: { schema: z.string() } } }, ...problems('NOT_FOUND', 'INVALID_TRANSITION', 'CONSISTENCY_VIOLATION') },
    }),
    async (c) => new Response(Buffer.from(await c.get('cairn').compression.requests.output(c.req.valid('param').request)), { headers: { 'content-type': BYTES, 'content-disposition': 'attachment' } }),
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/compression/requests/{request}/cancel', tags, summary: 'Cancel a compression request', request: ofRequest, responses: { 200: json(CompressionRequest, 'The request.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').compression.requests.cancel(c.req.valid('param').request), 200),
  )
  app.openapi(
    createRoute({ method: 'delete', path: '/v1/compression/requests/{request}', tags, summary: 'Remove a compression request with its bytes', request: ofRequest, responses: { 200: json(Deleted, 'Whether there was one.'), ...problems() } }),
    async (c) => c.json({ deleted: await c.get('cairn').compression.requests.delete(c.req.valid('param').request) }, 200),
  )
}
