import { z } from 'zod'
import type { CacheOptions } from './cache-options.ts'
import { isEmbedder, type Embedder } from '../embedding/index.ts'
import type { EventOptions } from './event-options.ts'
import type { RecallProcessOptions } from './recall-options.ts'
import type { MemoryOptions } from './memory-options.ts'
import type { MessageOptions } from './message-options.ts'
import type { TaskOptions } from './task-options.ts'
import type { StateOptions } from '../state/index.ts'

const text = z.string().min(1)
const count = (most: number) => z.int().min(1).max(most)
const ms = count(7 * 86_400_000)
const stayAwakeMs = z.number().min(0).max(10)

const postgresUrl = text.regex(/^postgres(ql)?:\/\//, 'must begin with postgres://')
const pool = z
  .strictObject({
    url: text, urls: z.array(postgresUrl).min(1), user: text, password: z.string(), max: count(10_000), min: z.int().min(0).max(10_000),
    acquireTimeoutMs: ms, idleTimeoutMs: ms, maxLifetimeMs: ms, testBeforeAcquire: z.boolean(), afterConnect: z.array(text), maxLagMs: ms,
  })
  .partial()

const postgres = z.union([
  postgresUrl,
  z
    .strictObject({
      url: postgresUrl,
      host: text, port: count(65_535), database: text, user: text, password: z.string(), socketPath: text, sslRootCert: text,
      applicationName: text, connectTimeoutMs: ms, statementTimeoutMs: ms, pgbouncer: z.boolean(),
      idleInTransactionTimeoutMs: ms, slowStatementMs: z.int().min(0), leakAfterMs: z.int().min(0), statementCache: count(10_000), replicaCheckMs: ms, stayAwakeMs,
      poolTemplate: z.enum(['development', 'staging', 'production']),
      scaling: z.union([z.boolean(), z.strictObject({ maxTotal: count(10_000), everyMs: ms, shrinkAfterMs: ms }).partial()]),
      pools: z.strictObject({ primary: pool, replica: pool, background: pool, analytics: pool }).partial(),
    })
    .partial(),
])

const server = text.regex(/^(nats|tls|ws|wss):\/\/|^[^/]+$/, 'must look like nats://host:4222')
const place = { cluster: text.optional(), tags: z.array(text.regex(/^[^\s,]+$/, 'must be a tag without spaces')).min(1).optional() }
const nats = z.union([
  server,
  z.strictObject({
    servers: z.array(server).min(1),
    credsFile: text.optional(), tlsCert: text.optional(), tlsKey: text.optional(), caCert: text.optional(), prefix: z.string().optional(), replicas: count(5).optional(), stayAwakeMs: stayAwakeMs.optional(),
    connectTimeoutMs: ms.optional(), requestTimeoutMs: ms.optional(), maxBucketBytes: z.int().min(1).optional(),
    placement: z.strictObject({ ...place, streams: z.record(text, z.strictObject(place)).optional() }).optional(),
  }),
])

const positive = z.int().min(1)
const state = z
  .strictObject({
    flushThreshold: positive, flushWindowMs: z.int().min(0).max(60_000), flushBatchRows: count(10_000), maxDirtyKeys: positive, durableTimeoutMs: ms,
    idlePurgeMs: ms, cacheBytes: positive, maxValueBytes: count(1_000_000), history: count(64), heartbeatMs: count(60_000), deadAfterMs: ms, lagWarnMs: positive,
  } satisfies Record<keyof StateOptions, z.ZodType>)
  .partial()

const cache = z.strictObject({ maxBytes: positive, sweepMs: ms, awayTtlMs: ms, leaseMs: ms, waitMs: ms } satisfies Record<keyof CacheOptions, z.ZodType>).partial()
const events = z
  .strictObject({
    relay: z.boolean(), relayLeaseMs: z.int().min(300).max(600_000), captureState: z.enum(['on-demand', 'always', 'off']), messagesStorage: z.enum(['memory', 'file']),
  } satisfies Record<keyof EventOptions, z.ZodType>)
  .partial()

const embedder = z.union([
  z.enum(['auto', 'offline', 'none']),
  z.custom<Embedder>((value) => isEmbedder(value) && text.safeParse(value.model).success && count(16_000).safeParse(value.dimensions).success, 'must be an embedder: { model, dimensions, embed }'),
  z.strictObject({
    baseUrl: text.regex(/^https?:\/\//, 'must begin with http:// or https://'), model: text, dimensions: count(16_000),
    apiKey: text.optional(), sendDimensions: z.boolean().optional(), timeoutMs: ms.optional(), attempts: count(10).optional(), batchSize: count(2_048).optional(),
  }),
])
const recall = z.strictObject({ embed: z.boolean(), vectorBytes: positive, pollMs: count(600_000) } satisfies Record<keyof RecallProcessOptions, z.ZodType>).partial()
const days = z.number().min(0).max(1_000_000).nullable()
const priorityDays = z.strictObject({ low: days, normal: days, high: days }).partial()
const tasks = z.strictObject({ keepDays: count(36_500) } satisfies Record<keyof TaskOptions, z.ZodType>).partial()
const messages = z.strictObject({ keepDays: count(36_500) } satisfies Record<keyof MessageOptions, z.ZodType>).partial()
const memory = z
  .strictObject({
    retainEveryMs: z.int().min(1000).max(365 * 86_400_000),
    retention: z.strictObject({ lifetimeDays: priorityDays, keepImportance: z.number().min(0).max(1), archiveDays: priorityDays }).partial(),
  } satisfies Record<keyof MemoryOptions, z.ZodType>)
  .partial()

/** Shape of `CairnOptions` without the functions. Unknown names are refused. */
export const OPTIONS_SCHEMA = z
  .strictObject({
    dataDir: text, postgres, nats, tenant: text,
    actor: z.strictObject({ kind: z.enum(['user', 'agent', 'service', 'system']), id: text }),
    migrate: z.enum(['auto', 'check']),
  cache, events, memory, messages, tasks, state, embedder, recall,
  })
  .partial()
