import { CairnError } from '@cairn/core'
import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { LOCATION_HEADER, body, json, problems } from '../openapi.ts'
import { TenantHeaders, pageOf } from '../schemas/common.ts'
import { ChatSession, ChatSessionPatch, ChatSessionQuery, MarkIdle, Marked, NewChatSession, Participant, ParticipantInput, ParticipantQuery, SessionParam, Summary } from '../schemas/conversations.ts'

const tags = ['conversations']
const ofSession = { params: SessionParam, headers: TenantHeaders }
const SessionName = z.object({ session: z.string().openapi({ description: "The session's id or key." }) })
const ParticipantParams = SessionParam.extend({ kind: z.enum(['user', 'agent']), id: z.string() })

/** Chat sessions and who takes part in them. */
export function chatSessionRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/chat-sessions', tags, summary: 'Open a chat session',
      request: { headers: TenantHeaders, body: body(NewChatSession, 'The session.', false) },
      responses: { 201: json(ChatSession, 'The new session.', LOCATION_HEADER), ...problems('DUPLICATE_KEY', 'AGENT_NOT_FOUND', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE') },
    }),
    async (c) => {
      const session = await c.get('cairn').conversations.createSession(exact(c.req.valid('json')))
      return c.json(session, 201, { Location: `/v1/chat-sessions/${session.id}` })
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/chat-sessions', tags, summary: 'List chat sessions, newest first',
      request: { headers: TenantHeaders, query: ChatSessionQuery },
      responses: { 200: json(pageOf(ChatSession), 'A page of sessions.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => {
      const { participant, ...query } = exact(c.req.valid('query'))
      return c.json(await c.get('cairn').conversations.listSessions({ ...query, ...(participant === undefined ? {} : { participant: parseParticipant(participant) }) }), 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/chat-sessions/{session}', tags, summary: 'Read a chat session',
      request: { params: SessionName, headers: TenantHeaders },
      responses: { 200: json(ChatSession, 'The session.'), ...problems('NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').conversations.getSession(c.req.valid('param').session), 200),
  )

  app.openapi(
    createRoute({
      method: 'patch', path: '/v1/chat-sessions/{session}', tags, summary: 'Change a chat session',
      request: { ...ofSession, body: body(ChatSessionPatch, 'The fields to change.') },
      responses: { 200: json(ChatSession, 'The session.'), ...problems('NOT_FOUND', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE') },
    }),
    async (c) => c.json(await c.get('cairn').conversations.updateSession(c.req.valid('param').session, exact(c.req.valid('json'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'put', path: '/v1/chat-sessions/{session}/summary', tags, summary: 'Store the summary of a chat session',
      request: { ...ofSession, body: body(Summary, 'The text.') },
      responses: { 200: json(ChatSession, 'The session.'), ...problems('NOT_FOUND', 'PAYLOAD_TOO_LARGE') },
    }),
    async (c) => c.json(await c.get('cairn').conversations.setSummary(c.req.valid('param').session, c.req.valid('json').summary), 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/chat-sessions/{session}/end', tags, summary: 'End a chat session for good',
      request: ofSession,
      responses: { 200: json(ChatSession, 'The session.'), ...problems('NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').conversations.endSession(c.req.valid('param').session), 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/chat-sessions/mark-idle', tags, summary: 'Mark active sessions without a recent message as idle',
      request: { headers: TenantHeaders, body: body(MarkIdle, 'After how long.') },
      responses: { 200: json(Marked, 'How many.'), ...problems() },
    }),
    async (c) => c.json({ count: await c.get('cairn').conversations.markIdle(c.req.valid('json')) }, 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/chat-sessions/{session}/participants', tags, summary: 'List who takes part',
      request: { ...ofSession, query: ParticipantQuery },
      responses: { 200: json(pageOf(Participant), 'A page of participants.'), ...problems('NOT_FOUND', 'INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').conversations.participants.list(c.req.valid('param').session, exact(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/chat-sessions/{session}/participants', tags, summary: 'Add a participant',
      request: { ...ofSession, body: body(ParticipantInput, 'Who.') },
      responses: { 201: json(Participant, 'The participant.'), ...problems('NOT_FOUND', 'CONVERSATION_ENDED', 'AGENT_NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').conversations.participants.add(c.req.valid('param').session, exact(c.req.valid('json'))), 201),
  )

  app.openapi(
    createRoute({
      method: 'delete', path: '/v1/chat-sessions/{session}/participants/{kind}/{id}', tags, summary: 'Mark a participant as gone',
      request: { params: ParticipantParams, headers: TenantHeaders },
      responses: { 200: json(Participant, 'The participant, with `leftAt`.'), ...problems('NOT_FOUND') },
    }),
    async (c) => {
      const { session, kind, id } = c.req.valid('param')
      return c.json(await c.get('cairn').conversations.participants.leave(session, { kind, id }), 200)
    },
  )
}

function parseParticipant(text: string): { kind: 'user' | 'agent'; id: string } {
  const [, kind, id] = /^(user|agent):(.+)$/s.exec(text) ?? []
  if (kind === undefined || id === undefined) throw new CairnError('INVALID_ARGUMENT', 'participant: it must be kind:id, with the kind user or agent.', { details: { field: 'participant', in: 'query' } })
  return { kind: kind as 'user' | 'agent', id }
}
