import type { ConnectionStats as CoreConnectionStats, PoolsReport as CorePoolsReport } from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, Time } from './common.ts'

const Status = z.enum(['healthy', 'degraded', 'unhealthy'])

const Pool = z.object({
  pool: z.string(),
  name: z.enum(['primary', 'replica', 'background', 'analytics']),
  address: z.string(),
  available: z.boolean().openapi({ description: 'False while calls go elsewhere because this server failed.' }),
  status: Status,
  latencyMs: z.number().nullable(),
  error: z.string().nullable(),
  max: Count,
  total: Count,
  active: Count,
  idle: Count,
  pending: Count.openapi({ description: 'Callers that wait for a connection.' }),
  utilization: z.number().openapi({ description: 'active ÷ max.' }),
  acquireP95Ms: z.number(),
  errors: Count,
  slowStatements: Count,
  leaks: Count.openapi({ description: 'Transactions that held their connection too long.' }),
  errorRate: z.number().openapi({ description: 'Of the last five minutes.' }),
  healthSuccessRate: z.number().openapi({ description: 'Of the last five minutes.' }),
  lastCheckAt: Time.nullable(),
  replica: z.object({ lagMs: z.number(), lagBytes: z.number().nullable(), position: z.string() }).nullable(),
})

const Alert = z.object({
  alert: z.enum(['HIGH_POOL_UTILIZATION', 'SLOW_CONNECTION_ACQUISITION', 'HIGH_CONNECTION_ERROR_RATE', 'HEALTH_CHECK_FAILURES']),
  severity: z.enum(['MEDIUM', 'HIGH', 'CRITICAL']),
  pool: z.string(),
  value: z.number(),
  threshold: z.number(),
  message: z.string(),
})

export const PoolsReport = z
  .object({
    status: Status,
    pools: z.array(Pool),
    kv: z.object({ engine: z.string(), status: Status, latencyMs: z.number().nullable(), error: z.string().nullable() }),
    alerts: z.array(Alert),
    server: z
      .object({
        status: z.enum(['healthy', 'warning', 'critical']),
        total: Count, active: Count, idle: Count, idleInTransaction: Count, maxConnections: Count,
        utilization: z.number(),
        recommendations: z.array(z.string()),
      })
      .nullable()
      .openapi({ description: 'All connections of the server, of whichever process; null when it did not tell.' }),
    checkedAt: Time,
  })
  .openapi('PoolsReport') satisfies z.ZodType<Wire<CorePoolsReport>>

export const ConnectionList = z
  .object({
    items: z.array(
      z.object({
        userName: z.string().nullable(), applicationName: z.string(), clientAddress: z.string().nullable(), state: z.string(),
        connections: Count, oldestConnection: Time, newestConnection: Time, averageAgeSeconds: z.number(),
      }) satisfies z.ZodType<Wire<CoreConnectionStats>>,
    ),
  })
  .openapi('ConnectionList')
