import { createRoute } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { body, json, problems } from '../openapi.ts'
import { TenantHeaders } from '../schemas/common.ts'
import { HandedBack, PullBeat, PullClaim, PullEnded, PullEnds, PullNews, PullProgress, PulledTasks, WorkerParam } from '../schemas/pull-workers.ts'

const tags = ['tasks']
const ofWorker = { params: WorkerParam, headers: TenantHeaders }

/** Workers in any language: they claim tasks, keep their lease and say how each ended, by requests to any server of the system. */
export function pullWorkerRoutes(app: App, { closing }: { readonly closing: AbortSignal }): void {
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/task-claims', tags, summary: 'Claim tasks to work on, waiting for some if asked to',
      request: { headers: TenantHeaders, body: body(PullClaim, 'Of which types, how many, and by whom.') },
      responses: { 200: json(PulledTasks, 'The worker and its tasks.'), ...problems('LEASE_LOST', 'AGENT_NOT_FOUND') },
    }),
    async (c) => {
      const signal = AbortSignal.any([closing, c.req.raw.signal])
      return c.json(await c.get('cairn').tasks.pull.claim({ ...exact(c.req.valid('json')), signal }), 200)
    },
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/task-workers/{worker}/heartbeat', tags, summary: 'Keep the lease of a worker', request: { ...ofWorker, query: PullBeat },
      responses: { 200: json(PullNews, 'What it should know about its tasks.'), ...problems('LEASE_LOST') },
    }),
    async (c) => c.json(await c.get('cairn').tasks.pull.heartbeat(c.req.valid('param').worker, exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/task-workers/{worker}/ends', tags, summary: 'Say how tasks of a worker ended', request: { ...ofWorker, body: body(PullEnds, 'The ends.') },
      responses: { 200: json(PullEnded, 'Which counted.'), ...problems('SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE') },
    }),
    async (c) => c.json(await c.get('cairn').tasks.pull.end(c.req.valid('param').worker, exact(c.req.valid('json')).ends), 200),
  )
  app.openapi(
    createRoute({
      method: 'put', path: '/v1/task-workers/{worker}/progress', tags, summary: 'Store how far a task of a worker is', request: { ...ofWorker, body: body(PullProgress, 'The progress.') },
      responses: { 204: { description: 'It is stored.' }, ...problems('LEASE_LOST', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE') },
    }),
    async (c) => {
      await c.get('cairn').tasks.pull.progress(c.req.valid('param').worker, exact(c.req.valid('json')))
      return c.body(null, 204)
    },
  )
  app.openapi(
    createRoute({
      method: 'delete', path: '/v1/task-workers/{worker}', tags, summary: 'Let a worker go, and hand back what it holds', request: ofWorker,
      responses: { 200: json(HandedBack, 'Whether there was one, and how many tasks it held.'), ...problems() },
    }),
    async (c) => c.json(await c.get('cairn').tasks.pull.leave(c.req.valid('param').worker), 200),
  )
}
