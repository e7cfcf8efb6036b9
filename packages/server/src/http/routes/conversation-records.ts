import { Readable } from 'node:stream'
import { CairnError } from '@cairn/core'
import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { bodyChunks } from '../body-limit.ts'
import { exact } from '../exact.ts'
import { bytesOfBody } from '../json-bytes.ts'
import { LOCATION_HEADER, body, json, problems } from '../openapi.ts'
import { Deleted, PageQuery, TenantHeaders, pageOf } from '../schemas/common.ts'
import { Attachment, AttachmentParam, ConversationSummary, ExportQuery, FoundMessage, ImportQuery, MessageSearch, NewAttachment, NewSummary, ThreadHealth } from '../schemas/conversation-records.ts'
import { ChatSession, MessageParam, SessionParam, ThreadParam } from '../schemas/conversations.ts'

/** Larger than other bodies: the library reads it as a stream, with a limit of its own. */
export const SESSION_IMPORT_PATH = '/v1/chat-session-imports'
const LINES = 'application/x-ndjson'
const tags = ['conversations']
const SUMMARY_PROBLEMS = ['NOT_FOUND', 'PAYLOAD_TOO_LARGE', 'SERIALIZATION_ERROR'] as const

/** Search, summaries, attachments, health, export, import and deletion of conversations. */
export function conversationRecordRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/message-search', tags, summary: 'Find messages by their words, best first', request: { headers: TenantHeaders, query: MessageSearch },
      responses: { 200: json(pageOf(FoundMessage), 'A page of messages.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => {
      const page = await c.get('cairn').conversations.search(exact(c.req.valid('query')))
      return c.json(page, 200)
    },
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/threads/{thread}/health', tags, summary: "A thread's failures, its service's breaker and its compression request", request: { params: ThreadParam, headers: TenantHeaders },
      responses: { 200: json(ThreadHealth, 'How it fares.'), ...problems('NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').conversations.threadHealth(c.req.valid('param').thread), 200),
  )
  summaryRoutes(app)
  attachmentRoutes(app)
  fileRoutes(app)
}

function summaryRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/chat-sessions/{session}/summaries', tags, summary: 'Summarize a chat session', request: { params: SessionParam, headers: TenantHeaders, body: body(NewSummary, 'A text, or how to make one.', false) },
      responses: { 201: json(ConversationSummary, 'The summary.'), ...problems(...SUMMARY_PROBLEMS) },
    }),
    async (c) => c.json(await c.get('cairn').conversations.summarize({ ...exact(c.req.valid('json')), sessionId: c.req.valid('param').session }), 201),
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/chat-sessions/{session}/summaries', tags, summary: "List a chat session's summaries, newest version first", request: { params: SessionParam, headers: TenantHeaders, query: PageQuery },
      responses: { 200: json(pageOf(ConversationSummary), 'A page of summaries.'), ...problems('NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').conversations.summaries({ ...exact(c.req.valid('query')), sessionId: c.req.valid('param').session }), 200),
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/threads/{thread}/summaries', tags, summary: 'Summarize a thread', request: { params: ThreadParam, headers: TenantHeaders, body: body(NewSummary, 'A text, or how to make one.', false) },
      responses: { 201: json(ConversationSummary, 'The summary.'), ...problems(...SUMMARY_PROBLEMS) },
    }),
    async (c) => c.json(await c.get('cairn').conversations.summarize({ ...exact(c.req.valid('json')), threadId: c.req.valid('param').thread }), 201),
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/threads/{thread}/summaries', tags, summary: "List a thread's summaries, newest version first", request: { params: ThreadParam, headers: TenantHeaders, query: PageQuery },
      responses: { 200: json(pageOf(ConversationSummary), 'A page of summaries.'), ...problems('NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').conversations.summaries({ ...exact(c.req.valid('query')), threadId: c.req.valid('param').thread }), 200),
  )
}

function attachmentRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/messages/{message}/attachments', tags, summary: 'Attach bytes or text to a message', request: { params: MessageParam, headers: TenantHeaders, body: body(NewAttachment, 'The bytes.') },
      responses: { 201: json(Attachment, 'The attachment.', LOCATION_HEADER), ...problems('NOT_FOUND', 'PAYLOAD_TOO_LARGE', 'SERIALIZATION_ERROR') },
    }),
    async (c) => {
      const { base64, text, ...options } = exact(c.req.valid('json'))
      const attachment = await c.get('cairn').conversations.attachments.add({ ...options, data: bytesOfBody({ base64, text }), messageId: c.req.valid('param').message })
      return c.json(attachment, 201, { Location: `/v1/attachments/${attachment.id}` })
    },
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/messages/{message}/attachments', tags, summary: "List a message's attachments, oldest first", request: { params: MessageParam, headers: TenantHeaders, query: PageQuery },
      responses: { 200: json(pageOf(Attachment), 'A page of attachments.'), ...problems('NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').conversations.attachments.list({ ...exact(c.req.valid('query')), messageId: c.req.valid('param').message }), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/attachments/{attachment}', tags, summary: 'Read what is known of an attachment', request: { params: AttachmentParam, headers: TenantHeaders }, responses: { 200: json(Attachment, 'The attachment.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').conversations.attachments.get(c.req.valid('param').attachment), 200),
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/attachments/{attachment}/content', tags, summary: 'The bytes of an attachment, verified', request: { params: AttachmentParam, headers: TenantHeaders },
      responses: { 200: { description: 'The bytes.', content: { 'application/octet-stream': { schema: z.string() } } }, ...problems('NOT_FOUND', 'CONSISTENCY_VIOLATION') },
    }),
    async (c) => {
      const { attachment, data } = await c.get('cairn').conversations.attachments.read(c.req.valid('param').attachment)
      // Never shown by a browser as a page of this server, whatever its media type says.
      return new Response(Buffer.from(data), { headers: { 'content-type': 'application/octet-stream', 'content-disposition': 'attachment', etag: `"${attachment.sha256}"` } })
    },
  )
  app.openapi(
    createRoute({ method: 'delete', path: '/v1/attachments/{attachment}', tags, summary: 'Remove an attachment', request: { params: AttachmentParam, headers: TenantHeaders }, responses: { 200: json(Deleted, 'Whether there was one.'), ...problems() } }),
    async (c) => c.json({ deleted: await c.get('cairn').conversations.attachments.remove(c.req.valid('param').attachment) }, 200),
  )
}

function fileRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/chat-sessions/{session}/export', tags, summary: 'Export a chat session as JSON lines or Markdown', request: { params: SessionParam, headers: TenantHeaders, query: ExportQuery },
      responses: { 200: { description: 'The session.', content: { [LINES]: { schema: z.string() }, 'text/markdown': { schema: z.string() } } }, ...problems('NOT_FOUND') },
    }),
    async (c) => {
      const { conversations } = c.get('cairn')
      const { format = 'jsonl', attachments } = exact(c.req.valid('query'))
      const session = await conversations.getSession(c.req.valid('param').session)
      const parts = conversations.exportSession(session.id, { format, ...(attachments === undefined ? {} : { attachments: attachments === 'true' }) })
      // JSON lines that break off have no last line, so that no import takes them.
      const stream = Readable.toWeb(Readable.from(parts, { objectMode: false })) as ReadableStream<Uint8Array>
      return new Response(stream, { headers: { 'content-type': format === 'jsonl' ? LINES : 'text/markdown; charset=utf-8', 'content-disposition': `attachment; filename="conversation.${format === 'jsonl' ? 'jsonl' : 'md'}"` } })
    },
  )
  app.openapi(
    createRoute({
      method: 'post', path: SESSION_IMPORT_PATH, tags, summary: 'Import a chat session from JSON lines, all or nothing',
      request: { headers: TenantHeaders, query: ImportQuery, body: { description: 'The lines of an export.', required: true, content: { [LINES]: { schema: z.string() } } } },
      responses: { 201: json(ChatSession, 'The new session.', LOCATION_HEADER), ...problems('IMPORT_MALFORMED', 'DUPLICATE_KEY', 'AGENT_NOT_FOUND', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE') },
    }),
    async (c) => {
      const type = (c.req.header('content-type') ?? '').split(';')[0] ?? ''
      if (type !== LINES) throw new CairnError('UNSUPPORTED_MEDIA_TYPE', `Content-Type: send the lines as ${LINES}.`, { details: { contentType: type } })
      const session = await c.get('cairn').conversations.importSession(bodyChunks(c.req.raw.body), exact(c.req.valid('query')))
      return c.json(session, 201, { Location: `/v1/chat-sessions/${session.id}` })
    },
  )
  app.openapi(
    createRoute({
      method: 'delete', path: '/v1/chat-sessions/{session}', tags, summary: 'Remove a chat session and all that belongs to it, for good', request: { params: SessionParam, headers: TenantHeaders },
      responses: { 200: json(Deleted, 'Whether there was one.'), ...problems() },
    }),
    async (c) => c.json({ deleted: (await c.get('cairn').conversations.deleteSession(c.req.valid('param').session)).deleted }, 200),
  )
}
