import { CairnError, type PointInTime } from '@cairn/core'
import { createRoute } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { body, json, problems } from '../openapi.ts'
import {
  Checkpoint, CheckpointParam, CheckpointWithState, DiffQuery, PolicyAnswer, PolicyQuery, PolicyRun, PolicyRunResult, Prune, PruneResult, RetentionPolicy, StateAtQuery, StateDiff, Tag, TagParam,
} from '../schemas/checkpoints.ts'
import { AgentParam, Deleted, TenantHeaders } from '../schemas/common.ts'

const tags = ['checkpoints']

/** Time travel, differences, tags and retention of checkpoints. */
export function checkpointHistoryRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents/{agent}/state-at', tags, summary: "Read an agent's state at a time, a revision, a checkpoint or a tag",
      request: { params: AgentParam, headers: TenantHeaders, query: StateAtQuery },
      responses: { 200: json(CheckpointWithState, 'The checkpoint that it is.'), ...problems('AGENT_NOT_FOUND', 'NOT_FOUND', 'CONSISTENCY_VIOLATION') },
    }),
    async (c) => c.json(await c.get('cairn').checkpoints.stateAt(c.req.valid('param').agent, pointOf(exact(c.req.valid('query')))), 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/checkpoints/{checkpoint}/diff', tags, summary: 'What changed since a checkpoint',
      request: { params: CheckpointParam, headers: TenantHeaders, query: DiffQuery },
      responses: { 200: json(StateDiff, 'Keys added, removed and changed.'), ...problems('NOT_FOUND', 'CONSISTENCY_VIOLATION') },
    }),
    async (c) => c.json(await c.get('cairn').checkpoints.diff(c.req.valid('param').checkpoint, c.req.valid('query').to), 200),
  )

  app.openapi(
    createRoute({
      method: 'put', path: '/v1/checkpoints/{checkpoint}/tags/{tag}', tags, summary: 'Tag a checkpoint',
      request: { params: TagParam, headers: TenantHeaders, body: body(Tag, 'Whether the tag moves.', false) },
      responses: { 200: json(Checkpoint, 'The checkpoint.'), ...problems('NOT_FOUND', 'DUPLICATE_KEY') },
    }),
    async (c) => c.json(await c.get('cairn').checkpoints.tag(c.req.valid('param').checkpoint, c.req.valid('param').tag, exact(c.req.valid('json'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'delete', path: '/v1/checkpoints/{checkpoint}/tags/{tag}', tags, summary: 'Take a tag off a checkpoint',
      request: { params: TagParam, headers: TenantHeaders },
      responses: { 200: json(Deleted, 'Whether it had the tag.'), ...problems() },
    }),
    async (c) => c.json({ deleted: await c.get('cairn').checkpoints.untag(c.req.valid('param').checkpoint, c.req.valid('param').tag) }, 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/agents/{agent}/checkpoints/prune', tags, summary: 'Remove the checkpoints that a policy does not keep',
      request: { params: AgentParam, headers: TenantHeaders, body: body(Prune, 'What to keep.') },
      responses: { 200: json(PruneResult, 'What was removed, or would be.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => {
      const { policy, dryRun = false } = exact(c.req.valid('json'))
      return c.json(await c.get('cairn').checkpoints.prune(c.req.valid('param').agent, policy, { dryRun }), 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/checkpoint-policy', tags, summary: 'Read the retention policy of the tenant or of an agent',
      request: { headers: TenantHeaders, query: PolicyQuery },
      responses: { 200: json(PolicyAnswer, 'The policy, or null.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => c.json({ policy: (await c.get('cairn').checkpoints.policies.get(c.req.valid('query').agent)) ?? null }, 200),
  )

  app.openapi(
    createRoute({
      method: 'put', path: '/v1/checkpoint-policy', tags, summary: 'Set the retention policy of the tenant or of an agent',
      request: { headers: TenantHeaders, query: PolicyQuery, body: body(RetentionPolicy, 'What to keep.') },
      responses: { 200: json(PolicyAnswer, 'The policy.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => {
      const policy = exact(c.req.valid('json'))
      await c.get('cairn').checkpoints.policies.set(policy, c.req.valid('query').agent)
      return c.json({ policy }, 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'delete', path: '/v1/checkpoint-policy', tags, summary: 'Remove the retention policy of the tenant or of an agent',
      request: { headers: TenantHeaders, query: PolicyQuery },
      responses: { 200: json(Deleted, 'Whether there was one.'), ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => c.json({ deleted: await c.get('cairn').checkpoints.policies.remove(c.req.valid('query').agent) }, 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/checkpoint-policy/run', tags, summary: 'Run the retention policies of the tenant now',
      request: { headers: TenantHeaders, body: body(PolicyRun, 'Whether only to say what would go.', false) },
      responses: { 200: json(PolicyRunResult, 'By agent, what was removed, or would be.'), ...problems() },
    }),
    async (c) => c.json({ results: await c.get('cairn').checkpoints.policies.run(exact(c.req.valid('json'))) }, 200),
  )
}

function pointOf({ time, kvRevision, checkpoint, tag }: { time?: string; kvRevision?: number; checkpoint?: string; tag?: string }): PointInTime {
  const points: PointInTime[] = [
    ...(time === undefined ? [] : [new Date(time)]),
    ...(kvRevision === undefined ? [] : [{ kvRevision }]),
    ...(checkpoint === undefined ? [] : [{ checkpointId: checkpoint }]),
    ...(tag === undefined ? [] : [{ tag }]),
  ]
  if (points.length === 1) return points[0] as PointInTime
  throw new CairnError('INVALID_ARGUMENT', 'query: give one of time, kvRevision, checkpoint and tag.', { details: { field: 'time' } })
}
