import type {
  TaskDeadLetter as CoreDeadLetter, Enqueued as CoreEnqueued, Task as CoreTask, TaskAssignment as CoreAssignment, TaskDependency as CoreDependency,
  TaskExecution as CoreExecution, TaskLimit as CoreLimit, TaskStats as CoreStats, TaskWorkerInfo as CoreWorker,
} from '@cairn/core'
import { FAILURE_POLICIES, TASK_DEPENDENCY_KINDS, TASK_PRIORITIES, TASK_STATUSES } from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, Flag, Id, JsonObject, Time, pageFields, several } from './common.ts'

const Status = z.enum(TASK_STATUSES)
const Priority = z.enum(TASK_PRIORITIES)
const Kind = z.enum(TASK_DEPENDENCY_KINDS)
const Policy = z.enum(FAILURE_POLICIES)
const Ms = z.number().min(0)

export const TaskParam = z.object({ task: z.string().openapi({ description: "The task's id or key." }) })

export const Task = z
  .object({
    id: Id, key: z.string().nullable(), type: z.string(), name: z.string().nullable(), status: Status, priority: Priority, priorityScore: Count,
    payload: z.unknown(), result: z.unknown(), progress: JsonObject, metadata: JsonObject, configuration: JsonObject, clientInfo: JsonObject, tags: z.array(z.string()),
    agentId: Id.nullable(), createdBy: Id.nullable(), parentId: Id.nullable(), userId: Id.nullable(), sessionId: Id.nullable(), requestId: z.string().nullable(), workerId: Id.nullable(),
    attempts: Count, retryCount: Count, maxRetries: Count, lostCount: Count, blockedBy: Count, cancelRequested: z.boolean(),
    errorMessage: z.string().nullable(), errorDetails: JsonObject, failureReason: z.string().nullable(), timeoutMs: z.number(),
    createdAt: Time, scheduledAt: Time.nullable(), queuedAt: Time, startedAt: Time.nullable(), completedAt: Time.nullable(), expiresAt: Time.nullable(), timeoutAt: Time.nullable(),
    executionSeconds: z.number().nullable(), queueWaitSeconds: z.number().nullable(), estimatedDurationMs: z.number().nullable(),
    complexityScore: z.number().nullable(), resultBytes: Count.nullable(), tokensProcessed: Count.nullable(),
  })
  .openapi('Task') satisfies z.ZodType<Wire<CoreTask>>

export const Enqueued = z
  .object({ id: Id, key: z.string().nullable(), status: Status, isNew: z.boolean().openapi({ description: 'False when a task with the key existed: then it is that one.' }) })
  .openapi('Enqueued') satisfies z.ZodType<Wire<CoreEnqueued>>

const dependency = { task: z.string(), kind: Kind.optional(), onFailure: Policy.optional(), as: z.string().optional() }
export const DependsOn = z.strictObject(dependency).openapi('DependsOn')
export const NewTaskAssignment = z.strictObject({ agent: z.string(), role: z.enum(['primary', 'collaborator']).optional(), assignment: JsonObject.optional() }).openapi('NewTaskAssignment')

export const NewTask = z
  .strictObject({
    type: z.string().openapi({ example: 'summarize' }),
    payload: z.unknown().optional(),
    name: z.string().optional(),
    key: z.string().optional().openapi({ description: 'Idempotency key: while a task with it is unfinished or ended less than keyWindowMs ago, that one is returned.' }),
    keyWindowMs: Ms.optional(),
    priority: z.enum([...TASK_PRIORITIES, 'medium']).optional(),
    runAt: Time.optional(), delayMs: Ms.optional(), expiresAt: Time.optional(), maxRetries: Count.optional(),
    backoff: z.strictObject({ baseMs: Ms.optional(), factor: z.number().optional(), maxMs: Ms.optional() }).optional(),
    timeoutMs: z.number().optional(),
    dependsOn: z.array(z.union([z.string(), DependsOn])).optional(),
    ref: z.string().optional().openapi({ description: 'Name inside a batch.' }),
    parent: z.string().optional(), agent: z.string().optional(), createdBy: z.string().optional(), assignments: z.array(NewTaskAssignment).optional(),
    metadata: JsonObject.optional(), clientInfo: JsonObject.optional(), tags: z.array(z.string()).optional(), userId: Id.optional(), sessionId: Id.optional(), requestId: z.string().optional(),
    estimatedDurationMs: Ms.optional(), complexityScore: z.number().min(0).max(1).optional(), events: z.boolean().optional(),
  })
  .openapi('NewTask')
export const NewTasks = z.strictObject({ tasks: z.array(NewTask) }).openapi('NewTasks')
export const EnqueuedMany = z.object({ items: z.array(Enqueued) }).openapi('EnqueuedMany')

export const TaskQuery = z.strictObject({ ...pageFields, type: z.string().optional(), status: several(Status).optional(), agent: z.string().optional(), parent: z.string().optional(), tag: z.string().optional() })
export const CancelTask = z.strictObject({ reason: z.string().optional(), descendants: z.boolean().optional().openapi({ description: 'Its children and theirs, too.' }) }).openapi('CancelTask')

export const TaskExecution = z
  .object({
    attempt: Count, status: Status, startedAt: Time, completedAt: Time, executionMs: Count.nullable(), workerId: Id.nullable(), agentId: Id.nullable(),
    errorMessage: z.string().nullable(), errorDetails: JsonObject, usage: JsonObject,
  })
  .openapi('TaskExecution') satisfies z.ZodType<Wire<CoreExecution>>
export const TaskDependency = z
  .object({ taskId: Id, dependsOn: Id, kind: Kind, onFailure: Policy, as: z.string().nullable(), resolvedAs: z.enum(['satisfied', 'failed', 'skipped', 'ignored']).nullable(), resolvedAt: Time.nullable() })
  .openapi('TaskDependency') satisfies z.ZodType<Wire<CoreDependency>>
export const TaskAssignment = z
  .object({ taskId: Id, agentId: Id, role: z.enum(['primary', 'collaborator']), assignment: JsonObject, assignedAt: Time })
  .openapi('TaskAssignment') satisfies z.ZodType<Wire<CoreAssignment>>

export const DeadTask = z
  .object({ id: Count, taskId: Id, type: z.string(), payload: z.unknown(), reason: z.string(), errorMessage: z.string().nullable(), attempts: Count, createdAt: Time, resolvedAt: Time.nullable(), resolution: z.string().nullable() })
  .openapi('DeadTask') satisfies z.ZodType<Wire<CoreDeadLetter>>
export const DeadTaskQuery = z.strictObject({ ...pageFields, type: z.string().optional(), reason: z.string().optional(), includeResolved: Flag.optional() })
export const Redrive = z
  .strictObject({ tasks: z.array(z.string()).optional().openapi({ description: 'Ids or keys. Without them, what type and reason select, oldest first.' }), type: z.string().optional(), reason: z.string().optional(), limit: z.number().optional() })
  .openapi('Redrive')
export const Redriven = z.object({ items: z.array(Id) }).openapi('Redriven')

export const TaskLimit = z
  .object({ scope: z.enum(['type', 'agent']), name: z.string(), maxRunning: Count.nullable(), rate: z.object({ count: Count, perMs: Count }).nullable(), paused: z.boolean() })
  .openapi('TaskLimit') satisfies z.ZodType<Wire<CoreLimit>>
export const NewTypeLimit = z.strictObject({ maxRunning: Count.nullable().optional(), rate: z.strictObject({ count: Count, perMs: Count }).nullable().optional(), paused: z.boolean().optional() }).openapi('NewTypeLimit')
export const NewAgentLimit = z.strictObject({ maxRunning: Count.nullable().optional() }).openapi('NewAgentLimit')

export const TaskWorker = z
  .object({ id: Id, types: z.array(z.string()), agentId: Id.nullable(), leaseMs: Count, startedAt: Time, heartbeatAt: Time, refused: Count, processInfo: JsonObject })
  .openapi('TaskWorker') satisfies z.ZodType<Wire<CoreWorker>>
export const TaskStats = z
  .object({
    byStatus: z.object({ pending: Count, queued: Count, running: Count, paused: Count }),
    byType: z.array(z.object({ type: z.string(), queued: Count, running: Count, waiting: Count, oldestQueuedSeconds: z.number() })),
    openDeadLetters: Count, workers: Count,
  })
  .openapi('TaskStats') satisfies z.ZodType<Wire<CoreStats>>
