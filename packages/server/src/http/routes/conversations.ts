import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { LOCATION_HEADER, body, json, problems } from '../openapi.ts'
import { PageQuery, TenantHeaders, pageOf } from '../schemas/common.ts'
import { Message, MessageChange, MessageEdit, MessageParam, MessageQuery, Messages, NewMessage, NewMessages, NewThread, SessionParam, SessionThreadQuery, Thread, ThreadCompletion, ThreadParam, ThreadPatch, ThreadQuery } from '../schemas/conversations.ts'
import { chatSessionRoutes } from './chat-sessions.ts'

const tags = ['conversations']
const ofSession = { params: SessionParam, headers: TenantHeaders }
const ofThread = { params: ThreadParam, headers: TenantHeaders }
const ofMessage = { params: MessageParam, headers: TenantHeaders }
const ThreadName = z.object({ thread: z.string().openapi({ description: "The thread's id or key." }) })
const MessageName = z.object({ message: z.string().openapi({ description: "The message's id or key." }) })
const APPEND_PROBLEMS = ['NOT_FOUND', 'CONVERSATION_ENDED', 'DUPLICATE_KEY', 'AGENT_NOT_FOUND', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE'] as const

/** Chat sessions, their threads and their messages. */
export function conversationRoutes(app: App): void {
  chatSessionRoutes(app)
  threadRoutes(app)
  messageRoutes(app)
}

function threadRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/chat-sessions/{session}/threads', tags, summary: 'Open a thread in a chat session',
      request: { ...ofSession, body: body(NewThread, 'The thread.', false) },
      responses: { 201: json(Thread, 'The new thread.', LOCATION_HEADER), ...problems('NOT_FOUND', 'CONVERSATION_ENDED', 'DUPLICATE_KEY', 'AGENT_NOT_FOUND', 'SERIALIZATION_ERROR') },
    }),
    async (c) => {
      const thread = await c.get('cairn').conversations.createThread({ ...exact(c.req.valid('json')), sessionId: c.req.valid('param').session })
      return c.json(thread, 201, { Location: `/v1/threads/${thread.id}` })
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/chat-sessions/{session}/threads', tags, summary: 'List the threads of a chat session, oldest first',
      request: { ...ofSession, query: SessionThreadQuery },
      responses: { 200: json(pageOf(Thread), 'A page of threads.'), ...problems('NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => {
      const { session } = c.req.valid('param')
      const page = await c.get('cairn').conversations.listThreads({ ...exact(c.req.valid('query')), sessionId: session })
      // No threads may mean no session.
      if (page.items.length === 0) await c.get('cairn').conversations.getSession(session)
      return c.json(page, 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/threads', tags, summary: 'List threads, oldest first',
      request: { headers: TenantHeaders, query: ThreadQuery },
      responses: { 200: json(pageOf(Thread), 'A page of threads.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').conversations.listThreads(exact(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/threads/{thread}', tags, summary: 'Read a thread',
      request: { params: ThreadName, headers: TenantHeaders },
      responses: { 200: json(Thread, 'The thread.'), ...problems('NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').conversations.getThread(c.req.valid('param').thread), 200),
  )

  app.openapi(
    createRoute({
      method: 'patch', path: '/v1/threads/{thread}', tags, summary: 'Change a thread',
      request: { ...ofThread, body: body(ThreadPatch, 'The fields to change.') },
      responses: { 200: json(Thread, 'The thread.'), ...problems('NOT_FOUND', 'INVALID_TRANSITION', 'SERIALIZATION_ERROR') },
    }),
    async (c) => c.json(await c.get('cairn').conversations.updateThread(c.req.valid('param').thread, exact(c.req.valid('json'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/threads/{thread}/complete', tags, summary: 'Close a thread for good',
      request: { ...ofThread, body: body(ThreadCompletion, 'When, if not now.', false) },
      responses: { 200: json(Thread, 'The thread.'), ...problems('NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').conversations.completeThread(c.req.valid('param').thread, exact(c.req.valid('json'))), 200),
  )
}

function messageRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/threads/{thread}/messages', tags, summary: 'Append a message to a thread',
      request: { ...ofThread, body: body(NewMessage, 'The message.') },
      responses: { 201: json(Message, 'The message as stored.', LOCATION_HEADER), ...problems(...APPEND_PROBLEMS) },
    }),
    async (c) => {
      const message = await c.get('cairn').conversations.append({ ...exact(c.req.valid('json')), threadId: c.req.valid('param').thread })
      return c.json(message, 201, { Location: `/v1/messages/${message.id}` })
    },
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/threads/{thread}/messages/batch', tags, summary: 'Append several messages, all or none',
      request: { ...ofThread, body: body(NewMessages, 'The messages, in order.') },
      responses: { 201: json(Messages, 'The messages as stored.'), ...problems(...APPEND_PROBLEMS) },
    }),
    async (c) => c.json({ items: await c.get('cairn').conversations.appendMany(c.req.valid('param').thread, exact(c.req.valid('json')).messages) }, 201),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/threads/{thread}/messages', tags, summary: 'List the messages of a thread, by position',
      request: { ...ofThread, query: MessageQuery },
      responses: { 200: json(pageOf(Message), 'A page of messages.'), ...problems('NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').conversations.messages({ ...exact(c.req.valid('query')), threadId: c.req.valid('param').thread }), 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/chat-sessions/{session}/messages', tags, summary: 'List the messages of a chat session, by position',
      request: { ...ofSession, query: MessageQuery },
      responses: { 200: json(pageOf(Message), 'A page of messages.'), ...problems('NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').conversations.messages({ ...exact(c.req.valid('query')), sessionId: c.req.valid('param').session }), 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/messages/{message}', tags, summary: 'Read a message',
      request: { params: MessageName, headers: TenantHeaders },
      responses: { 200: json(Message, 'The message.'), ...problems('NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').conversations.getMessage(c.req.valid('param').message), 200),
  )

  app.openapi(
    createRoute({
      method: 'patch', path: '/v1/messages/{message}', tags, summary: 'Edit a message; what it said is kept',
      request: { ...ofMessage, body: body(MessageChange, 'What it says now.') },
      responses: { 200: json(Message, 'The message.'), ...problems('NOT_FOUND', 'PAYLOAD_TOO_LARGE') },
    }),
    async (c) => {
      const { content, ...options } = exact(c.req.valid('json'))
      return c.json(await c.get('cairn').conversations.edit(c.req.valid('param').message, content, options), 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/messages/{message}/edits', tags, summary: 'What a message said before each edit, oldest first',
      request: { ...ofMessage, query: PageQuery },
      responses: { 200: json(pageOf(MessageEdit), 'A page of edits.'), ...problems('NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').conversations.edits(c.req.valid('param').message, exact(c.req.valid('query'))), 200),
  )
}
