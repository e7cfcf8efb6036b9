import { BREAKER_DEFAULTS, BREAKER_STATES, type Breaker as CoreBreaker, type BreakerConfig as CoreBreakerConfig, type BreakerEvent as CoreBreakerEvent } from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, Id, Time, pageFields } from './common.ts'

const State = z.enum(BREAKER_STATES)
const settings = Object.fromEntries(Object.entries(BREAKER_DEFAULTS).map(([name, value]) => [name, z.number().openapi({ default: value })])) as Record<keyof CoreBreakerConfig, z.ZodNumber>

export const BreakerConfig = z.object(settings).openapi('BreakerConfig') satisfies z.ZodType<Wire<CoreBreakerConfig>>
export const NewBreakerConfig = z.strictObject(settings).partial().openapi('NewBreakerConfig')
export const Breaker = z
  .object({
    id: Id,
    service: z.string(),
    state: State,
    forced: z.boolean().openapi({ description: 'Held open or closed by hand until it is reset.' }),
    recentFailures: Count,
    failureCount: Count,
    successCount: Count,
    probesUnderWay: Count,
    openedAt: Time.nullable(),
    nextAttemptAt: Time.nullable(),
    lastFailureAt: Time.nullable(),
    lastFailureReason: z.string().nullable(),
    config: BreakerConfig,
    createdAt: Time,
    updatedAt: Time,
  })
  .openapi('Breaker') satisfies z.ZodType<Wire<CoreBreaker>>
export const BreakerEvent = z
  .object({ id: Count, service: z.string(), from: State, to: State, reason: z.string(), actor: z.string(), createdAt: Time })
  .openapi('BreakerEvent') satisfies z.ZodType<Wire<CoreBreakerEvent>>

export const BreakerParam = z.object({ service: z.string().openapi({ description: 'The name of the service.' }) })
export const BreakerQuery = z.strictObject({ ...pageFields, state: State.optional() })
export const BreakerEventQuery = z.strictObject({ ...pageFields, service: z.string().optional() })
export const Move = z.strictObject({ reason: z.string().optional() }).openapi('BreakerMove')
