import { type Cairn, type LineageSpace, replayedChannels } from '@cairn/core'
import { createRoute } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { body, json, problems } from '../openapi.ts'
import { Deleted, TenantHeaders, pageOf } from '../schemas/common.ts'
import { LineageCheckpointQuery, LineageCopied, LineageCopy, LineageHeader, LineageNamespaceQuery, LineageParam, LineagePrune, LineagePruned, LineageThread, LineageThreadQuery } from '../schemas/lineages.ts'

const tags = ['lineages']
const path = '/v1/lineages/{thread}'

/** Threads of checkpoints: what there is, and their upkeep. What they hold is opaque, and is not served. */
export function lineageRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/lineages', tags, summary: 'List the threads of a namespace, by name',
      request: { headers: TenantHeaders, query: LineageThreadQuery },
      responses: { 200: json(pageOf(LineageThread), 'A page of threads.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => {
      const { namespace, ...options } = c.req.valid('query')
      return c.json(await spaceOf(c.get('cairn'), namespace).threads(exact(options)), 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: `${path}/checkpoints`, tags, summary: 'List the checkpoints of a thread, newest first',
      request: { params: LineageParam, headers: TenantHeaders, query: LineageCheckpointQuery },
      responses: { 200: json(pageOf(LineageHeader), 'A page of checkpoints, without what they hold.'), ...problems('NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => {
      const { namespace, ...options } = c.req.valid('query')
      return c.json(await spaceOf(c.get('cairn'), namespace).checkpoints({ ...exact(options), ...c.req.valid('param') }), 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'delete', path, tags, summary: 'Delete a thread with its checkpoints and writes',
      request: { params: LineageParam, headers: TenantHeaders, query: LineageNamespaceQuery },
      responses: { 200: json(Deleted, 'Whether there was one.'), ...problems() },
    }),
    async (c) => c.json({ deleted: await spaceOf(c.get('cairn'), c.req.valid('query').namespace).deleteThread(c.req.valid('param').thread) }, 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: `${path}/copy`, tags, summary: 'Copy a thread under a free name',
      request: { params: LineageParam, headers: TenantHeaders, body: body(LineageCopy, 'Where to.') },
      responses: { 201: json(LineageCopied, 'It is copied.'), ...problems('NOT_FOUND', 'DUPLICATE_KEY', 'PAYLOAD_ENCRYPTED') },
    }),
    async (c) => {
      const { namespace, to } = c.req.valid('json')
      await spaceOf(c.get('cairn'), namespace).copyThread(c.req.valid('param').thread, to)
      return c.json({ thread: to }, 201)
    },
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/lineages/prune', tags, summary: 'Remove old checkpoints of threads',
      request: { headers: TenantHeaders, body: body(LineagePrune, 'Which threads, and what stays.') },
      responses: { 200: json(LineagePruned, 'What went.'), ...problems('PAYLOAD_ENCRYPTED') },
    }),
    async (c) => {
      const { namespace, olderThan, ...options } = exact(c.req.valid('json'))
      const until = olderThan === undefined ? {} : { olderThan: new Date(olderThan) }
      return c.json(await spaceOf(c.get('cairn'), namespace).prune({ ...options, ...until, replayed: replayedChannels }), 200)
    },
  )
}

function spaceOf({ lineages }: Cairn, namespace: string | undefined): LineageSpace {
  return lineages.space(namespace === undefined ? {} : { namespace })
}
