import type { HealthReport as CoreHealthReport } from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { JsonObject, Time } from './common.ts'

const Status = z.enum(['healthy', 'degraded', 'unhealthy'])

export const HealthReport = z
  .object({
    status: Status.openapi({ description: 'The worst of the checks.' }),
    checks: z.array(
      z.object({
        name: z.enum(['sql', 'kv', 'consistency']),
        status: Status,
        message: z.string(),
        latencyMs: z.number().nullable(),
        details: JsonObject,
      }),
    ),
    checkedAt: Time,
  })
  .openapi('HealthReport') satisfies z.ZodType<Wire<CoreHealthReport>>

export const Readiness = z.object({ ready: z.boolean(), reason: z.string().nullable() }).openapi('Readiness')
