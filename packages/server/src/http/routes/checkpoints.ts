import { createRoute } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { LOCATION_HEADER, body, json, problems } from '../openapi.ts'
import { Checkpoint, CheckpointParam, CheckpointQuery, CheckpointWithState, Fork, ForkResult, NewCheckpoint, Restore, RestoreResult } from '../schemas/checkpoints.ts'
import { AgentParam, Deleted, TenantHeaders, pageOf } from '../schemas/common.ts'

const tags = ['checkpoints']
const ofAgent = { params: AgentParam, headers: TenantHeaders }
const ofCheckpoint = { params: CheckpointParam, headers: TenantHeaders }

/** Points to which an agent's state can be brought back, or from which another starts. */
export function checkpointRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/agents/{agent}/checkpoints', tags, summary: 'Keep all state of an agent as it is now',
      request: { ...ofAgent, body: body(NewCheckpoint, 'What to call it.', false) },
      responses: { 201: json(Checkpoint, 'The new checkpoint.', LOCATION_HEADER), ...problems('AGENT_NOT_FOUND', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE') },
    }),
    async (c) => {
      const checkpoint = await c.get('cairn').checkpoints.create(c.req.valid('param').agent, exact(c.req.valid('json')))
      return c.json(checkpoint, 201, { Location: `/v1/checkpoints/${checkpoint.id}` })
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents/{agent}/checkpoints', tags, summary: 'List the checkpoints of an agent, newest first',
      request: { ...ofAgent, query: CheckpointQuery },
      responses: { 200: json(pageOf(Checkpoint), 'A page of checkpoints, without their state.'), ...problems('AGENT_NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').checkpoints.list(c.req.valid('param').agent, exact(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/checkpoints/{checkpoint}', tags, summary: 'Read a checkpoint with its state',
      request: ofCheckpoint,
      responses: { 200: json(CheckpointWithState, 'The checkpoint.'), ...problems('NOT_FOUND', 'CONSISTENCY_VIOLATION') },
    }),
    async (c) => c.json(await c.get('cairn').checkpoints.get(c.req.valid('param').checkpoint), 200),
  )

  app.openapi(
    createRoute({
      method: 'delete', path: '/v1/checkpoints/{checkpoint}', tags, summary: 'Delete a checkpoint',
      request: ofCheckpoint,
      responses: { 200: json(Deleted, 'Whether there was one.'), ...problems() },
    }),
    async (c) => c.json({ deleted: await c.get('cairn').checkpoints.delete(c.req.valid('param').checkpoint) }, 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/checkpoints/{checkpoint}/restore', tags, summary: "Make the agent's state what it was",
      request: { ...ofCheckpoint, body: body(Restore, 'Under which condition.', false) },
      responses: { 200: json(RestoreResult, 'What was done.'), ...problems('NOT_FOUND', 'CONSISTENCY_VIOLATION', 'OUTCOME_UNKNOWN', 'VERSION_CONFLICT') },
    }),
    async (c) => c.json(await c.get('cairn').checkpoints.restore(c.req.valid('param').checkpoint, exact(c.req.valid('json'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/checkpoints/{checkpoint}/fork', tags, summary: 'Give another agent this state',
      request: { ...ofCheckpoint, body: body(Fork, 'Which agent.') },
      responses: { 201: json(ForkResult, 'What was done, and the checkpoint that marks it.'), ...problems('NOT_FOUND', 'AGENT_NOT_FOUND', 'CONSISTENCY_VIOLATION', 'OUTCOME_UNKNOWN') },
    }),
    async (c) => c.json(await c.get('cairn').checkpoints.fork(c.req.valid('param').checkpoint, exact(c.req.valid('json'))), 201),
  )
}
