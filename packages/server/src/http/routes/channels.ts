import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { body, json, problems } from '../openapi.ts'
import { PageQuery, TenantHeaders, pageOf } from '../schemas/common.ts'
import { Channel, ChannelParam, ChannelPatch, ChannelStats, MessageQueue, NewChannel, NewMessageQueue, NewSubscription, QueueParam, QueuePatch, Subscription, SubscriptionParam, SubscriptionQuery } from '../schemas/messages.ts'

const tags = ['messages']
const headers = TenantHeaders
const ofChannel = { headers, params: ChannelParam }
const ofQueue = { headers, params: QueueParam }
const Unsubscribed = z.object({ cancelled: z.int().openapi({ description: 'Messages that waited for it.' }) }).openapi('Unsubscribed')

/** Channels, queues and who is subscribed. */
export function channelRoutes(app: App): void {
  app.openapi(
    createRoute({ method: 'post', path: '/v1/channels', tags, summary: 'Make a channel', request: { headers, body: body(NewChannel, 'The channel.') }, responses: { 201: json(Channel, 'The new channel.'), ...problems('DUPLICATE_KEY') } }),
    async (c) => c.json(await c.get('cairn').messages.channels.create(exact(c.req.valid('json'))), 201),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/channels', tags, summary: 'List channels, by name', request: { headers, query: PageQuery }, responses: { 200: json(pageOf(Channel), 'A page of channels.'), ...problems('INVALID_CURSOR') } }),
    async (c) => c.json(await c.get('cairn').messages.channels.list(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/channels/{channel}', tags, summary: 'Read a channel', request: ofChannel, responses: { 200: json(Channel, 'The channel.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').messages.channels.get(c.req.valid('param').channel), 200),
  )
  app.openapi(
    createRoute({ method: 'patch', path: '/v1/channels/{channel}', tags, summary: 'Change a channel, or switch it off', request: { ...ofChannel, body: body(ChannelPatch, 'The fields to change.') }, responses: { 200: json(Channel, 'The channel.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').messages.channels.update(c.req.valid('param').channel, exact(c.req.valid('json'))), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/channels/{channel}/stats', tags, summary: 'What went through a channel', request: ofChannel, responses: { 200: json(ChannelStats, 'Counts and times.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').messages.channels.stats(c.req.valid('param').channel), 200),
  )
  queueRoutes(app)
  subscriptionRoutes(app)
}

function queueRoutes(app: App): void {
  app.openapi(
    createRoute({ method: 'post', path: '/v1/message-queues', tags, summary: 'Make a message queue', request: { headers, body: body(NewMessageQueue, 'The queue.') }, responses: { 201: json(MessageQueue, 'The new queue.'), ...problems('DUPLICATE_KEY') } }),
    async (c) => c.json(await c.get('cairn').messages.queues.create(exact(c.req.valid('json'))), 201),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/message-queues', tags, summary: 'List message queues, by name', request: { headers, query: PageQuery }, responses: { 200: json(pageOf(MessageQueue), 'A page of queues.'), ...problems('INVALID_CURSOR') } }),
    async (c) => c.json(await c.get('cairn').messages.queues.list(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/message-queues/{queue}', tags, summary: 'Read a message queue with its size', request: ofQueue, responses: { 200: json(MessageQueue, 'The queue.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').messages.queues.get(c.req.valid('param').queue), 200),
  )
  app.openapi(
    createRoute({ method: 'patch', path: '/v1/message-queues/{queue}', tags, summary: 'Change a message queue', request: { ...ofQueue, body: body(QueuePatch, 'The fields to change.') }, responses: { 200: json(MessageQueue, 'The queue.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').messages.queues.update(c.req.valid('param').queue, exact(c.req.valid('json'))), 200),
  )
}

function subscriptionRoutes(app: App): void {
  app.openapi(
    createRoute({ method: 'post', path: '/v1/subscriptions', tags, summary: 'Subscribe an agent to a channel', request: { headers, body: body(NewSubscription, 'Who, to what.') }, responses: { 201: json(Subscription, 'The subscription.'), ...problems('NOT_FOUND', 'AGENT_NOT_FOUND') } }),
    async (c) => {
      const { filter, ...input } = exact(c.req.valid('json'))
      return c.json(await c.get('cairn').messages.subscriptions.add({ ...input, ...(filter === undefined ? {} : { filter }) }), 201)
    },
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/subscriptions', tags, summary: 'List subscriptions, oldest first', request: { headers, query: SubscriptionQuery }, responses: { 200: json(pageOf(Subscription), 'A page of subscriptions.'), ...problems('AGENT_NOT_FOUND', 'INVALID_CURSOR') } }),
    async (c) => c.json(await c.get('cairn').messages.subscriptions.list(exact(c.req.valid('query'))), 200),
  )
  app.openapi(
    createRoute({ method: 'delete', path: '/v1/subscriptions/{subscription}', tags, summary: 'Unsubscribe; what waits is cancelled', request: { headers, params: SubscriptionParam }, responses: { 200: json(Unsubscribed, 'How much was cancelled.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await c.get('cairn').messages.subscriptions.remove(c.req.valid('param').subscription), 200),
  )
}
