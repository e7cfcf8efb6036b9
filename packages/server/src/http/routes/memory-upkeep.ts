import { CairnError } from '@cairn/core'
import { createRoute } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { etagOf } from '../etag.ts'
import { exact } from '../exact.ts'
import { ETAG_HEADER, body, json, problems } from '../openapi.ts'
import { Deleted, PageQuery, TenantHeaders, pageOf } from '../schemas/common.ts'
import {
  AppendToBlock, BlockParam, BlockVersionsQuery, BlocksQuery, ForgottenUser, MemoryBlock, MemoryBlockVersion, MemoryHeaders, MemoryParam, OwnerQuery, ReplaceInBlock, ReportParam, Retain,
  RetentionDecision, RetentionReport, SetMemoryBlock, UserMemorySummary, UserParam,
} from '../schemas/memory.ts'
import { versionFrom } from './memory.ts'

const tags = ['memory']
const headers = TenantHeaders
const block = { params: BlockParam, headers, query: OwnerQuery }
const guarded = { ...block, headers: TenantHeaders.extend(MemoryHeaders.shape) }

/** Working memory, retention, and what is known of users. */
export function memoryUpkeepRoutes(app: App): void {
  app.openapi(
    createRoute({ method: 'get', path: '/v1/memory-users', tags, summary: 'List statistics of the memories of users', request: { headers, query: PageQuery }, responses: { 200: json(pageOf(UserMemorySummary), 'By user.'), ...problems('INVALID_CURSOR') } }),
    async (c) => c.json(await c.get('cairn').memory.userSummaries(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/memory-users/{user}', tags, summary: "Read statistics of a user's memories", request: { params: UserParam, headers }, responses: { 200: json(UserMemorySummary, 'Without what has expired.'), ...problems('NOT_FOUND') } }),
    async (c) => {
      const { user } = c.req.valid('param')
      const summary = await c.get('cairn').memory.userSummary(user)
      if (summary === undefined) throw new CairnError('NOT_FOUND', `user: nothing is remembered of the user ${JSON.stringify(user)} in this tenant. Check the id; GET /v1/memory-users lists all.`, { details: { user } })
      return c.json(summary, 200)
    },
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/memory-users/{user}/forget', tags, summary: 'Forget all that is of a user: memories, their versions and links, and blocks', request: { params: UserParam, headers }, responses: { 200: json(ForgottenUser, 'How many.'), ...problems() } }),
    async (c) => c.json(await c.get('cairn').memory.forgetUser(c.req.valid('param').user), 200),
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/memory-retention', tags, summary: 'Archive and delete what retention says, or only count it', request: { headers, body: body(Retain, 'With dryRun nothing changes.', false) }, responses: { 200: json(RetentionReport, 'How many each rule decided on.'), ...problems() } }),
    async (c) => c.json(await c.get('cairn').memory.retain(exact(c.req.valid('json'))), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/memory-retention', tags, summary: 'List the reports of retention', request: { headers, query: PageQuery }, responses: { 200: json(pageOf(RetentionReport), 'Newest first.'), ...problems('INVALID_CURSOR') } }),
    async (c) => c.json(await c.get('cairn').memory.retention.reports(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/memory-retention/{report}/decisions', tags, summary: 'List what a pass of retention archived and deleted, and why', request: { params: ReportParam, headers, query: PageQuery }, responses: { 200: json(pageOf(RetentionDecision), 'By memory.'), ...problems('NOT_FOUND', 'INVALID_CURSOR') } }),
    async (c) => c.json(await c.get('cairn').memory.retention.decisions(c.req.valid('param').report, exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/memory-retention-preview', tags, summary: 'List what retention would do now to each memory, and why', request: { headers, query: PageQuery }, responses: { 200: json(pageOf(RetentionDecision), 'By memory.'), ...problems('INVALID_CURSOR') } }),
    async (c) => c.json(await c.get('cairn').memory.retention.preview(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/memory/{memory}/retention', tags, summary: 'Explain what retention would do now to a memory', request: { params: MemoryParam, headers }, responses: { 200: json(RetentionDecision, 'The rule and its figures.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').memory.retention.explain(c.req.valid('param').memory), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/memory-blocks', tags, summary: 'List blocks of working memory', request: { headers, query: BlocksQuery }, responses: { 200: json(pageOf(MemoryBlock), 'By scope, owner and label.'), ...problems('INVALID_CURSOR', 'AGENT_NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').memory.blocks.list(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/memory-blocks/{label}', tags, summary: 'Read a block', request: block, responses: { 200: json(MemoryBlock, 'The block.', ETAG_HEADER), ...problems('NOT_FOUND', 'AGENT_NOT_FOUND') } }),
    async (c) => {
      const found = await c.get('cairn').memory.blocks.get({ ...c.req.valid('param'), ...exact(c.req.valid('query')) })
      c.header('ETag', etagOf(found.version))
      return c.json(found, 200)
    },
  )
  app.openapi(
    createRoute({ method: 'put', path: '/v1/memory-blocks/{label}', tags, summary: 'Make a block, or change what is given of it', request: { ...guarded, body: body(SetMemoryBlock, 'What is left out stays.') }, responses: { 200: json(MemoryBlock, 'The block.', ETAG_HEADER), ...problems('VERSION_CONFLICT', 'PAYLOAD_TOO_LARGE', 'AGENT_NOT_FOUND') } }),
    async (c) => {
      const set = await c.get('cairn').memory.blocks.set({ ...c.req.valid('param'), ...exact(c.req.valid('query')) }, { ...exact(c.req.valid('json')), ...versionFrom(c.req.valid('header')['If-Match']) })
      c.header('ETag', etagOf(set.version))
      return c.json(set, 200)
    },
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/memory-blocks/{label}/append', tags, summary: 'Add to the end of a block', request: { ...guarded, body: body(AppendToBlock, 'After the separator, a line feed by default.') }, responses: { 200: json(MemoryBlock, 'The block.'), ...problems('NOT_FOUND', 'VERSION_CONFLICT', 'PAYLOAD_TOO_LARGE', 'AGENT_NOT_FOUND') } }),
    async (c) => {
      const { content, ...options } = exact(c.req.valid('json'))
      return c.json(await c.get('cairn').memory.blocks.append({ ...c.req.valid('param'), ...exact(c.req.valid('query')) }, content, { ...options, ...versionFrom(c.req.valid('header')['If-Match']) }), 200)
    },
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/memory-blocks/{label}/replace', tags, summary: 'Replace a text that a block has exactly once', request: { ...guarded, body: body(ReplaceInBlock, 'The text, and what comes in its place.') }, responses: { 200: json(MemoryBlock, 'The block.'), ...problems('NOT_FOUND', 'VERSION_CONFLICT', 'PAYLOAD_TOO_LARGE', 'AGENT_NOT_FOUND') } }),
    async (c) => {
      const { previous, next } = c.req.valid('json')
      return c.json(await c.get('cairn').memory.blocks.replace({ ...c.req.valid('param'), ...exact(c.req.valid('query')) }, previous, next, versionFrom(c.req.valid('header')['If-Match'])), 200)
    },
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/memory-blocks/{label}/versions', tags, summary: 'List what a block was before its changes', request: { ...block, query: BlockVersionsQuery }, responses: { 200: json(pageOf(MemoryBlockVersion), 'Newest first.'), ...problems('NOT_FOUND', 'INVALID_CURSOR', 'AGENT_NOT_FOUND') } }),
    async (c) => {
      const { userId, agentId, ...page } = exact(c.req.valid('query'))
      return c.json(await c.get('cairn').memory.blocks.versions({ ...c.req.valid('param'), ...exact({ userId, agentId }) }, page), 200)
    },
  )
  app.openapi(
    createRoute({ method: 'delete', path: '/v1/memory-blocks/{label}', tags, summary: 'Remove a block with its versions', request: block, responses: { 200: json(Deleted, 'Whether there was one.'), ...problems('AGENT_NOT_FOUND') } }),
    async (c) => c.json({ deleted: await c.get('cairn').memory.blocks.remove({ ...c.req.valid('param'), ...exact(c.req.valid('query')) }) }, 200),
  )
}
