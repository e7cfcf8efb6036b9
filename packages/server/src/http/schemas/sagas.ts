import { SAGA_STATUSES, SAGA_STEP_KINDS, SAGA_STEP_STATUSES, SAGA_STRATEGIES, type Saga as CoreSaga, type SagaWithSteps as CoreSagaWithSteps } from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, Time, pageFields } from './common.ts'

const Cause = z.object({ code: z.string(), message: z.string() }).nullable()
const Anything = z.unknown().openapi({ description: 'Any JSON value.' })
const status = z.enum(SAGA_STATUSES)

const saga = {
  id: z.string(),
  name: z.string(),
  correlationId: z.string(),
  strategy: z.enum(SAGA_STRATEGIES),
  status,
  input: Anything,
  error: Cause.openapi({ description: 'Why it compensates, was compensated, or waits for an operator.' }),
  failedStep: z.string().nullable(),
  takeovers: Count.openapi({ description: 'How many runners had it so far.' }),
  createdAt: Time,
  updatedAt: Time,
  finishedAt: Time.nullable(),
  resolvedBy: z.string().nullable(),
  resolutionNote: z.string().nullable(),
}
export const Saga = z.object(saga).openapi('Saga') satisfies z.ZodType<Wire<CoreSaga>>

const Step = z
  .object({
    number: Count,
    name: z.string(),
    kind: z.enum(SAGA_STEP_KINDS),
    status: z.enum(SAGA_STEP_STATUSES),
    attempts: Count,
    compensationAttempts: Count,
    uncertain: z.boolean().openapi({ description: 'It may have taken effect without a record of it.' }),
    target: z.string().nullable(),
    before: Anything,
    after: Anything,
    result: Anything,
    error: Cause,
    startedAt: Time.nullable(),
    finishedAt: Time.nullable(),
  })
  .openapi('SagaStep')
export const SagaWithSteps = z.object({ ...saga, steps: z.array(Step) }).openapi('SagaWithSteps') satisfies z.ZodType<Wire<CoreSagaWithSteps>>

export const SagaQuery = z.strictObject({ ...pageFields, status: status.optional(), name: z.string().optional() })
export const SagaParam = z.object({ saga: z.string().openapi({ description: "The saga's id." }) })
export const SagaResolution = z
  .strictObject({ outcome: z.enum(['completed', 'compensated']).openapi({ description: 'What was brought about by hand.' }), note: z.string().optional() })
  .openapi('SagaResolution')
