import { z } from '@hono/zod-openapi'
import { Count, Time, pageFields } from './common.ts'

export const StreamName = z.enum(['AGENT_STATE', 'TASK_EXECUTION', 'AGENT_MESSAGES', 'EVENTS'])
const Subject = z.string().openapi({ description: '<kind>.<event>.<entity...>, without the tenant.', example: 'events.invoice.42' })
const Headers = z.record(z.string(), z.string())

export const NewEvent = z
  .strictObject({
    subject: Subject,
    payload: z.unknown().optional().openapi({ description: 'Any JSON. Without it, null.' }),
    id: z.string().optional().openapi({ description: 'The same id again is not stored again. Without it, a new one.' }),
    headers: Headers.optional(),
  })
  .openapi('NewEvent')

export const PublishedEvent = z.object({ id: z.string() }).openapi('PublishedEvent')

export const EventStreamQuery = z.strictObject({
  stream: StreamName,
  filter: z.string().optional().openapi({ description: '`*` is one token, `>` the rest.', example: 'tasks.started.>' }),
  from: z.enum(['all', 'last', 'new']).optional().openapi({ description: '`last`: the newest event of each subject, then what comes. Default: new.' }),
  after: z.string().optional().openapi({ description: 'The id of a server-sent event: go on behind it. The header Last-Event-ID does the same.' }),
})
export const LastEventId = z.object({ 'Last-Event-ID': z.string().optional() })

export const EventsStatus = z
  .object({
    log: z.enum(['sql', 'jetstream']),
    connected: z.boolean(),
    serverVersion: z.string().nullable(),
    streams: z.array(
      z.object({
        name: StreamName,
        exists: z.boolean(),
        messages: Count,
        bytes: Count,
        storage: z.enum(['file', 'memory', 'sql']),
        replicas: Count,
        differences: z.array(z.object({ setting: z.string(), wished: z.unknown(), actual: z.unknown() })),
        consumers: z.array(z.object({ name: z.string(), filter: z.string(), waiting: Count, pending: Count })),
      }),
    ),
    relay: z.object({ leading: z.boolean(), waiting: Count, oldestMs: z.number(), published: Count, failures: Count, lastError: z.string().nullable() }).nullable(),
  })
  .openapi('EventsStatus')

export const EventDeadLetter = z
  .object({
    id: z.string().openapi({ example: 'sql-17' }),
    stream: StreamName,
    consumer: z.string(),
    event: z.object({ id: z.string(), subject: Subject, payload: z.unknown(), headers: Headers, sequence: Count, publishedAt: Time }),
    deliveries: Count,
    reason: z.string().nullable(),
    buriedAt: Time,
  })
  .openapi('EventDeadLetter')

export const DeadLetterQuery = z.strictObject({ ...pageFields, stream: StreamName.optional(), consumer: z.string().optional() })
export const DeadLetterParam = z.object({ letter: z.string().openapi({ example: 'sql-17' }) })
