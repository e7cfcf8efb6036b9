import type { PullEnded as CoreEnded, PullNews as CoreNews, PulledTask as CoreTask, PulledTasks as CoreTasks } from '@cairn/core'
import { TASK_PRIORITIES } from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, Id, JsonObject } from './common.ts'

const Lease = Id.openapi({ description: 'What proves that the worker holds the task.' })
const news = {
  cancel: z.array(Id).openapi({ description: 'Tasks that were cancelled, until they have ended: stop working on them, and end them.' }),
  lost: z.array(Id).openapi({ description: 'Tasks that took too long and were taken away; of those in `holding`, all that the worker does not hold.' }),
  held: z.array(z.object({ task: Id, lease: Lease, attempt: Count })).optional().openapi({ description: 'When asked for: what the worker holds.' }),
  moreHeld: Count.optional().openapi({ description: 'With held: how many more there are.' }),
}

export const WorkerParam = z.object({ worker: Id })
export const PullBeat = z.strictObject({ held: z.coerce.number().int().optional().openapi({ type: 'integer', description: 'How many of the tasks it holds to list in `held`, up to 1000.' }) })

export const PullClaim = z
  .strictObject({
    types: z.array(z.string()),
    most: Count.optional().openapi({ description: 'At most so many tasks. With 0 none: a first claim whose answer may be lost.', default: 1 }),
    worker: Id.optional().openapi({ description: 'The worker of an earlier claim, which this one keeps alive. Without it a new one is made.' }),
    leaseMs: Count.optional().openapi({ description: 'Silence after which others take its tasks over.', default: 30_000 }),
    agent: z.string().optional().openapi({ description: 'Only tasks of this agent.' }),
    waitMs: Count.optional().openapi({ description: 'How long to wait for a task when there is none, at most 60000.', default: 0 }),
    ageMs: Count.optional().openapi({ description: 'When tasks of a priority have waited for so long while higher ones alone were claimed, one in sixteen is of that priority; 0 turns it off.', default: 60_000 }),
    holding: z.array(z.strictObject({ task: Id, lease: Lease })).optional().openapi({
      description: 'All that the worker believes it holds, up to 10000. What it holds beyond that comes before anything new, under a new lease.',
    }),
    turn: Count.optional().openapi({ description: 'With holding: a number that grows with every claim of the worker. A claim that was given up and arrives late is refused by it.' }),
    held: Count.optional().openapi({ description: 'How many of the tasks it then holds to list in `held`, up to 1000.' }),
  })
  .openapi('PullClaim')

const PulledTask = z
  .object({
    id: Id, lease: Lease, type: z.string(), name: z.string().nullable(), key: z.string().nullable(), payload: z.unknown(), metadata: JsonObject, priority: z.enum(TASK_PRIORITIES),
    agentId: Id.nullable(), parentId: Id.nullable(), attempt: Count, retryCount: Count, maxRetries: Count, timeoutMs: z.number(), inputs: JsonObject,
  })
  .openapi('PulledTask') satisfies z.ZodType<Wire<CoreTask>>
export const PulledTasks = z.object({ worker: Id, leaseMs: Count, tasks: z.array(PulledTask), ...news }).openapi('PulledTasks') satisfies z.ZodType<Wire<CoreTasks>>
export const PullNews = z.object(news).openapi('PullNews') satisfies z.ZodType<Wire<CoreNews>>

const PullEnd = z
  .strictObject({
    task: Id, lease: Lease,
    status: z.enum(['completed', 'failed', 'released']).openapi({ description: 'A failure is tried again after a wait, unless retry is false or none is left. Released tasks go back as they were.' }),
    result: z.unknown().optional(), error: z.string().optional(), details: JsonObject.optional(), retry: z.boolean().optional(),
    usage: z.strictObject({ tokensProcessed: z.number().optional(), cpuTimeMs: z.number().optional(), cpuPercent: z.number().optional(), memoryMb: z.number().optional(), ioOperations: z.number().optional() }).optional(),
  })
  .openapi('PullEnd')
export const PullEnds = z.strictObject({ ends: z.array(PullEnd) }).openapi('PullEnds')
export const PullEnded = z
  .object({ accepted: z.array(Id), refused: z.array(Id).openapi({ description: "Not this worker's any more: drop what was done for them." }) })
  .openapi('PullEnded') satisfies z.ZodType<Wire<CoreEnded>>
export const PullProgress = z.strictObject({ task: Id, lease: Lease, progress: JsonObject }).openapi('PullProgress')
export const HandedBack = z.object({ deleted: z.boolean(), handedBack: Count }).openapi('HandedBack')
