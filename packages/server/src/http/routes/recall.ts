import { createRoute } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { body, json, problems } from '../openapi.ts'
import { TenantHeaders } from '../schemas/common.ts'
import { EmbeddingStatus, RecallRequest, RecallResult } from '../schemas/recall.ts'

const tags = ['memory']
const headers = TenantHeaders

/** What answers a question, out of all memories. */
export function recallRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/memory/recall', tags, summary: 'Find the memories that answer a question',
      request: { headers, body: body(RecallRequest, 'The question.') },
      responses: { 200: json(RecallResult, 'The memories that answer best, best first, each with what its score is made of.'), ...problems('AGENT_NOT_FOUND', 'EMBEDDER_UNAVAILABLE') },
    }),
    async (c) => {
      const { question, ...options } = c.req.valid('json')
      return c.json(await c.get('cairn').recall.search(question, exact(options)), 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/memory-embeddings', tags, summary: 'How many memories have a vector',
      request: { headers },
      responses: { 200: json(EmbeddingStatus, 'Of the model in use.'), ...problems() },
    }),
    async (c) => c.json(await c.get('cairn').recall.embeddings(), 200),
  )
}
