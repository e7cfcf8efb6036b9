import type { TailedEvent } from '@cairn/core'
import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { exact } from '../exact.ts'
import { body, json, problems } from '../openapi.ts'
import { Deleted, TenantHeaders, pageOf } from '../schemas/common.ts'
import { DeadLetterParam, DeadLetterQuery, EventDeadLetter, EventStreamQuery, EventsStatus, LastEventId, NewEvent, PublishedEvent } from '../schemas/events.ts'
import { eventStream, type ServerSentEvent } from '../sse.ts'
import type { StateEventsOptions } from './state-events.ts'

const tags = ['events']

/** Events: publish, follow live, look at the streams, and what was given up. */
export function eventRoutes(app: App, { closing, keepAliveMs }: StateEventsOptions): void {
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/events', tags, summary: 'Publish an event',
      request: { headers: TenantHeaders, body: body(NewEvent, 'The event.') },
      responses: { 201: json(PublishedEvent, 'It is durable, and will be delivered.'), ...problems('NOT_FOUND', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE', 'OUTCOME_UNKNOWN') },
    }),
    async (c) => {
      const { subject, payload, ...options } = c.req.valid('json')
      return c.json(await c.get('cairn').events.publish(subject, payload, exact(options)), 201)
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/event-stream', tags, summary: 'Events as they happen (server-sent events)',
      description: 'Each has the second token of its subject as event name, a cursor as id and the event as data. After a reconnect the stream goes on behind Last-Event-ID, as long as the log still has what came then.',
      request: { headers: TenantHeaders.extend(LastEventId.shape), query: EventStreamQuery },
      responses: { 200: { description: 'The stream; it ends when the client goes or the server stops.', content: { 'text/event-stream': { schema: z.string() } } }, ...problems('INVALID_CURSOR', 'NOT_FOUND', 'CAPABILITY_MISSING') },
    }),
    async (c) => {
      const { after: given, ...query } = c.req.valid('query')
      // A browser connects again to the address it had, `after` included, and says in the header how far it came.
      const after = [c.req.header('last-event-id'), given].find((place) => place !== undefined && place !== '')
      const gone = new AbortController()
      const signal = AbortSignal.any([gone.signal, closing, c.req.raw.signal])
      const tailed = await c.get('cairn').events.follow({ ...exact(query), ...(after === undefined ? {} : { after }), signal })
      const events = toServerSent(tailed)
      const first = events.next()
      first.catch(() => undefined)
      return eventStream(events, first, keepAliveMs, () => gone.abort(), after ?? ((query.from ?? 'new') === 'new' ? tailed.start : undefined))
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/streams', tags, summary: 'The event streams as they are, and the relay',
      request: { headers: TenantHeaders },
      responses: { 200: json(EventsStatus, 'Counts are of all tenants; consumers are those of this one.'), ...problems() },
    }),
    async (c) => c.json(await c.get('cairn').events.status(), 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/v1/event-dead-letters', tags, summary: 'List events that were given up, oldest first',
      request: { headers: TenantHeaders, query: DeadLetterQuery },
      responses: { 200: json(pageOf(EventDeadLetter), 'A page of dead letters.'), ...problems('INVALID_CURSOR') },
    }),
    async (c) => c.json(await c.get('cairn').events.deadLetters(exact(c.req.valid('query'))), 200),
  )

  app.openapi(
    createRoute({
      method: 'post', path: '/v1/event-dead-letters/{letter}/redrive', tags, summary: 'Publish a dead letter again, under a new id',
      request: { params: DeadLetterParam, headers: TenantHeaders },
      responses: { 201: json(PublishedEvent, 'It is published again, and no dead letter any more.'), ...problems('NOT_FOUND') },
    }),
    async (c) => c.json(await c.get('cairn').events.redrive(c.req.valid('param').letter), 201),
  )

  app.openapi(
    createRoute({
      method: 'delete', path: '/v1/event-dead-letters/{letter}', tags, summary: 'Discard a dead letter',
      request: { params: DeadLetterParam, headers: TenantHeaders },
      responses: { 200: json(Deleted, 'Whether there was one.'), ...problems('NOT_FOUND') },
    }),
    async (c) => c.json({ deleted: await c.get('cairn').events.discard(c.req.valid('param').letter) }, 200),
  )
}

/** The second token says what happened: `created` of `tasks.created.42`. */
async function* toServerSent(events: AsyncIterable<TailedEvent>): AsyncGenerator<ServerSentEvent> {
  for await (const { cursor, ...event } of events) yield { id: cursor, event: event.subject.split('.')[1] ?? 'event', data: event }
}
