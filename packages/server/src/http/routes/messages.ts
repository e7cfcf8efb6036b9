import type { InboxMessage as CoreInboxMessage } from '@cairn/core'
import { createRoute, z } from '@hono/zod-openapi'
import { setImmediate } from 'node:timers/promises'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { body, json, problems } from '../openapi.ts'
import { AgentParam, PageQuery, TenantHeaders, pageOf } from '../schemas/common.ts'
import {
  AgentMessage, AgentMessageParam, AgentMessageQuery, CorrelationParam, DeadLetter, InboxEventsQuery, MessageRecord, MessageWithDeliveries, NewAgentMessage, NewAgentMessages, NewRequest, Receive, Received, Redrive, Redriven,
  ReplyQuery, Sent, SentMany, Settled, Settlement,
} from '../schemas/messages.ts'
import { type ServerSentEvent, eventStream } from '../sse.ts'
import { channelRoutes } from './channels.ts'
import type { StateEventsOptions } from './state-events.ts'

const tags = ['messages']
const headers = TenantHeaders
const SEND_PROBLEMS = ['AGENT_NOT_FOUND', 'NOT_FOUND', 'CHANNEL_INACTIVE', 'QUEUE_FULL', 'DUPLICATE_KEY', 'PAYLOAD_TOO_LARGE', 'SERIALIZATION_ERROR'] as const

/** Messages between agents; chat messages of people are under conversations. */
export function messageRoutes(app: App, live: StateEventsOptions): void {
  channelRoutes(app)
  sendRoutes(app, live)
  inboxRoutes(app, live)
  deadLetterRoutes(app)
}

function sendRoutes(app: App, { closing }: StateEventsOptions): void {
  app.openapi(
    createRoute({ method: 'post', path: '/v1/agent-messages', tags, summary: 'Send a message to an agent, a type of agents, a channel or a queue', request: { headers, body: body(NewAgentMessage, 'The message.') }, responses: { 201: json(Sent, 'Stored, with its deliveries.'), ...problems(...SEND_PROBLEMS) } }),
    async (c) => c.json(await c.get('cairn').messages.send(exact(c.req.valid('json'))), 201),
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/agent-messages/batch', tags, summary: 'Send several messages, all or none', request: { headers, body: body(NewAgentMessages, 'The messages.') }, responses: { 201: json(SentMany, 'All of them, in order.'), ...problems(...SEND_PROBLEMS) } }),
    async (c) => c.json({ messages: await c.get('cairn').messages.sendMany(exact(c.req.valid('json').messages)) }, 201),
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/agent-requests', tags, summary: 'Send a query and wait for its reply', request: { headers, body: body(NewRequest, 'The query.') }, responses: { 200: json(AgentMessage, 'The reply.'), ...problems(...SEND_PROBLEMS, 'TIMEOUT') } }),
    async (c) => {
      const { timeoutMs = 30_000, ...input } = exact(c.req.valid('json'))
      return c.json(await c.get('cairn').messages.request(input, { timeoutMs, signal: AbortSignal.any([closing, c.req.raw.signal]) }), 200)
    },
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/agent-requests/{correlation}/reply', tags, summary: 'The reply to a request, whoever sent it', request: { headers, params: CorrelationParam, query: ReplyQuery }, responses: { 200: json(AgentMessage, 'The reply.'), ...problems('TIMEOUT') } }),
    async (c) => c.json(await c.get('cairn').messages.awaitReply(c.req.valid('param').correlation, { timeoutMs: c.req.valid('query').timeoutMs ?? 1_000, signal: AbortSignal.any([closing, c.req.raw.signal]) }), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/agent-messages', tags, summary: 'List messages between agents, newest first', request: { headers, query: AgentMessageQuery }, responses: { 200: json(pageOf(MessageRecord), 'A page of messages.'), ...problems('AGENT_NOT_FOUND', 'NOT_FOUND', 'INVALID_CURSOR') } }),
    async (c) => {
      const { between, ...options } = exact(c.req.valid('query'))
      const pair = between?.split(',')
      return c.json(await c.get('cairn').messages.list({ ...options, ...(pair === undefined ? {} : { between: pair as [string, string] }) }), 200)
    },
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/agent-messages/{message}', tags, summary: 'Read a message with the status of its deliveries', request: { headers, params: AgentMessageParam }, responses: { 200: json(MessageWithDeliveries, 'The message.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').messages.get(c.req.valid('param').message), 200),
  )
}

function inboxRoutes(app: App, { closing, keepAliveMs }: StateEventsOptions): void {
  app.openapi(
    createRoute({ method: 'post', path: '/v1/agents/{agent}/inbox', tags, summary: "Take messages from an agent's inbox under a lease", request: { headers, params: AgentParam, body: body(Receive, 'How many, and which.', false) }, responses: { 200: json(Received, 'What there was; settle each within the lease.'), ...problems('AGENT_NOT_FOUND', 'NOT_FOUND') } }),
    async (c) => {
      const { filter, ...options } = exact(c.req.valid('json'))
      const messages = await c.get('cairn').messages.receive(c.req.valid('param').agent, { ...options, ...(filter === undefined ? {} : { filter }), signal: AbortSignal.any([closing, c.req.raw.signal]) })
      return c.json({ messages: messages.map(wire) }, 200)
    },
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/inbox-settlements', tags, summary: 'Acknowledge a message, put it back, or give it up', request: { headers, body: body(Settlement, 'The numbers of the delivery and what became of it.') }, responses: { 200: json(Settled, 'It is stored.'), ...problems('DELIVERY_LOST') } }),
    async (c) => {
      await c.get('cairn').messages.settle(exact(c.req.valid('json')))
      return c.json({ settled: true }, 200)
    },
  )
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents/{agent}/inbox-events', tags, summary: "An agent's messages as they come (server-sent events)",
      description: 'Events `message`, with the delivery as id and the message as data. Each is leased: settle it with POST /v1/inbox-settlements. What was not settled when the connection broke comes again when its lease is over, so a client resumes by connecting again.',
      request: { headers, params: AgentParam, query: InboxEventsQuery },
      responses: { 200: { description: 'The stream; it ends when the client goes or the server stops.', content: { 'text/event-stream': { schema: z.string() } } }, ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => {
      const { agent } = c.req.valid('param')
      // An unknown agent is a problem document, not a stream that ends.
      await c.get('cairn').agents.get(agent)
      // It would take messages that nobody gets.
      if (c.req.method === 'HEAD') return new Response(null, { headers: { 'content-type': 'text/event-stream; charset=utf-8' } })
      const gone = new AbortController()
      const inbox = c.get('cairn').messages.inbox(agent, { prefetch: 1, ...exact(c.req.valid('query')), signal: AbortSignal.any([gone.signal, closing, c.req.raw.signal]) })
      const events = eventsOf(inbox)
      const first = events.next()
      first.catch(() => undefined)
      await setImmediate()
      return eventStream(events, first, keepAliveMs, () => gone.abort())
    },
  )
}

function deadLetterRoutes(app: App): void {
  app.openapi(
    createRoute({ method: 'get', path: '/v1/message-dead-letters', tags, summary: 'List messages that were given up, oldest first', request: { headers, query: PageQuery }, responses: { 200: json(pageOf(DeadLetter), 'A page of dead letters.'), ...problems('INVALID_CURSOR') } }),
    async (c) => c.json(await c.get('cairn').messages.deadLetters.list(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/message-dead-letters/redrive', tags, summary: 'Send dead letters again', request: { headers, body: body(Redrive, 'Which.') }, responses: { 200: json(Redriven, 'Those that were sent now; the others were before.'), ...problems() } }),
    async (c) => c.json({ messages: await c.get('cairn').messages.deadLetters.redrive(c.req.valid('json').ids) }, 200),
  )
}

async function* eventsOf(inbox: AsyncIterable<CoreInboxMessage>): AsyncGenerator<ServerSentEvent> {
  for await (const message of inbox) yield { id: String(message.deliveryId), event: 'message', data: wire(message) }
}

function wire({ ack: _, nack: __, fail: ___, reply: ____, extend: _____, ...message }: CoreInboxMessage) {
  return message
}
