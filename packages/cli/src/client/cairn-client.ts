import type {
  Agent, AgentDeadLetter, AgentFilter, AgentLifecycle, AgentMessage, Breaker, BreakerEvent, BreakerState, CacheInvalidation, CacheStats, CairnEvent,
  ChatSession, Checkpoint, CheckpointWithState, ConflictPolicy, ConflictPolicyListOptions, DeadLetterFilter, DeadLetterOptions, Enqueued,
  EventDeadLetter, EventsStatus, FileSource, FlushResult, ForkResult, History, HistoryChange, HistoryItem, HydrateResult, ImportAgentOptions,
  ImportAgentResult, ListHistoriesOptions, ListHistoryItemsOptions, ListMessagesOptions, ListSagasOptions, ListSessionsOptions, ListThreadsOptions,
  Message, MessageListOptions, MessageWithDeliveries, NewEvent, NewSchedule, NewTask, Page, PageOptions, PoolsReport, PruneResult, PublishedEvent,
  RegisterAgent, RepairResult, ResolveSaga, RestoreOptions, RestoreResult, RetentionPolicy, Saga, SagaWithSteps, Schedule, ScheduleFilter, SendInput,
  Sent, SetConflictPolicy, SetResult, Settlement, StateDiff, StateEntry, TagOptions, TailEventsOptions, Task, TaskDeadLetter, TaskExecution,
  TaskFilter, Thread,
} from '@cairn/core'
import type { ImportTarget } from '../import/import-target.ts'
import type { DebatesClient } from './debates-client.ts'
import type { CompressionClient } from './compression-client.ts'
import type { ConversationRecordsClient } from './conversation-records-client.ts'
import type { DocumentsClient } from './documents-client.ts'
import type { KnowledgeClient } from './knowledge-client.ts'
import type { LineagesClient } from './lineages-client.ts'
import type { RecallClient } from './recall-client.ts'
import type { MemoryClient } from './memory-client.ts'
import type { ModelsClient } from './models-client.ts'
import type { CollaborationClient, PersonalityClient } from './people-client.ts'

/** `T` as it comes out of JSON: times are ISO texts. */
export type Json<T> = T extends Date ? string : T extends readonly (infer Item)[] ? Json<Item>[] : T extends object ? { [Key in keyof T]: Json<T[Key]> } : T

export interface WriteOptions {
  readonly ack?: 'hot' | 'durable'
  readonly ifRevision?: number
}

export interface NamedHistory {
  readonly key: string
  readonly namespace: string
}

/** One of these; `time` is ISO 8601. */
export interface PointJson {
  readonly time?: string
  readonly kvRevision?: number
  readonly checkpoint?: string
  readonly tag?: string
}

/** What the commands ask of Cairn, in this process or over HTTP; both answer with the same JSON. */
export interface CairnClient {
  readonly agents: {
    list(filter: AgentFilter): Promise<Json<Page<Agent>>>
    get(agent: string): Promise<Json<Agent>>
    register(input: RegisterAgent): Promise<Json<Agent>>
    retire(agent: string, reason: string | undefined): Promise<Json<Agent>>
    /** The agent file, as it is read. */
    export(agent: string): AsyncIterable<string | Uint8Array>
    import(source: FileSource, options: ImportAgentOptions): Promise<ImportAgentResult>
  }
  readonly state: {
    list(agent: string, options: PageOptions & { prefix?: string }): Promise<Json<Page<StateEntry>>>
    /** Undefined when the key does not exist. */
    get(agent: string, key: string): Promise<Json<StateEntry> | undefined>
    set(agent: string, key: string, value: unknown, options: WriteOptions): Promise<SetResult>
    delete(agent: string, key: string, options: WriteOptions): Promise<{ deleted: boolean } & SetResult>
  }
  readonly policies: {
    list(options: ConflictPolicyListOptions): Promise<Json<Page<ConflictPolicy>>>
    set(input: SetConflictPolicy): Promise<Json<ConflictPolicy>>
    /** False when there was none. */
    remove(id: string): Promise<boolean>
  }
  readonly checkpoints: {
    list(agent: string, options: PageOptions & { name?: string; tag?: string }): Promise<Json<Page<Checkpoint>>>
    create(agent: string, options: { name?: string; trigger?: string; tags?: string[] }): Promise<Json<Checkpoint>>
    get(id: string): Promise<Json<CheckpointWithState>>
    restore(id: string, options: RestoreOptions): Promise<Json<RestoreResult>>
    fork(id: string, options: { agent: string; name?: string }): Promise<Json<ForkResult>>
    stateAt(agent: string, point: PointJson): Promise<Json<CheckpointWithState>>
    diff(id: string, to: string | undefined): Promise<Json<StateDiff>>
    tag(id: string, tag: string, options: TagOptions): Promise<Json<Checkpoint>>
    untag(id: string, tag: string): Promise<{ deleted: boolean }>
    prune(agent: string, policy: RetentionPolicy, dryRun: boolean): Promise<Json<PruneResult>>
    runPolicies(dryRun: boolean): Promise<{ results: Json<PruneResult>[] }>
    policy(agent: string | undefined): Promise<{ policy: RetentionPolicy | null }>
    setPolicy(policy: RetentionPolicy, agent: string | undefined): Promise<{ policy: RetentionPolicy }>
    removePolicy(agent: string | undefined): Promise<{ deleted: boolean }>
  }
  readonly lifecycle: {
    get(agent: string): Promise<Json<AgentLifecycle>>
    hydrate(agent: string): Promise<HydrateResult>
    flush(agent: string): Promise<FlushResult>
    repair(agent: string): Promise<Json<RepairResult>>
  }
  readonly cache: {
    stats(): Promise<CacheStats>
    invalidate(what: CacheInvalidation): Promise<{ shared: boolean }>
  }
  readonly conversations: {
    sessions(options: ListSessionsOptions): Promise<Json<Page<ChatSession>>>
    session(idOrKey: string): Promise<Json<ChatSession>>
    threads(options: ListThreadsOptions): Promise<Json<Page<Thread>>>
    messages(options: ListMessagesOptions): Promise<Json<Page<Message>>>
  }
  readonly histories: {
    list(options: ListHistoriesOptions): Promise<Json<Page<History>>>
    get(history: NamedHistory): Promise<Json<History>>
    items(history: NamedHistory, options: ListHistoryItemsOptions): Promise<Json<Page<HistoryItem>>>
    clear(history: NamedHistory): Promise<HistoryChange>
  }
  readonly pools: { status(): Promise<Json<PoolsReport>> }
  readonly breakers: {
    list(options: PageOptions & { state?: BreakerState }): Promise<Json<Page<Breaker>>>
    get(service: string): Promise<Json<Breaker>>
    events(options: PageOptions & { service?: string }): Promise<Json<Page<BreakerEvent>>>
    move(service: string, to: 'open' | 'close' | 'reset', reason: string | undefined): Promise<Json<Breaker>>
  }
  readonly compression: CompressionClient
  readonly conversationRecords: ConversationRecordsClient
  readonly documents: DocumentsClient
  readonly recall: RecallClient
  readonly memory: MemoryClient
  readonly personality: PersonalityClient
  readonly collaboration: CollaborationClient
  readonly knowledge: KnowledgeClient
  readonly lineages: LineagesClient
  readonly debates: DebatesClient
  readonly models: ModelsClient
  readonly tasks: {
    list(filter: TaskFilter): Promise<Json<Page<Task>>>
    get(task: string): Promise<Json<Task>>
    executions(task: string): Promise<Json<Page<TaskExecution>>>
    enqueue(task: NewTask): Promise<Json<Enqueued>>
    retry(task: string): Promise<Json<Task>>
    cancel(task: string, options: { reason?: string; descendants?: boolean }): Promise<Json<Task>>
    deadLetters(filter: DeadLetterFilter): Promise<Json<Page<TaskDeadLetter>>>
    redrive(which: { tasks: readonly string[] } | DeadLetterFilter): Promise<string[]>
  }
  readonly sagas: {
    list(options: ListSagasOptions): Promise<Json<Page<Saga>>>
    get(id: string): Promise<Json<SagaWithSteps>>
    retry(id: string): Promise<Json<SagaWithSteps>>
    skip(id: string): Promise<Json<SagaWithSteps>>
    resolve(id: string, how: ResolveSaga): Promise<Json<SagaWithSteps>>
  }
  readonly schedules: {
    list(filter: ScheduleFilter): Promise<Json<Page<Schedule>>>
    add(schedule: NewSchedule): Promise<Json<Schedule>>
    set(schedule: NewSchedule): Promise<Json<Schedule>>
    pause(schedule: string): Promise<Json<Schedule>>
    resume(schedule: string): Promise<Json<Schedule>>
    trigger(schedule: string, options: { operationId?: string }): Promise<Json<Enqueued>>
    remove(schedule: string): Promise<{ deleted: boolean }>
    next(schedule: string, count: number): Promise<{ items: string[] }>
  }
  readonly events: {
    publish(event: NewEvent): Promise<PublishedEvent>
    /** Until the signal is aborted. */
    tail(options: TailEventsOptions & { signal: AbortSignal }): AsyncIterable<Json<CairnEvent>>
    status(): Promise<Json<EventsStatus>>
    deadLetters(options: DeadLetterOptions): Promise<Json<Page<EventDeadLetter>>>
    redrive(id: string): Promise<PublishedEvent>
    discard(id: string): Promise<boolean>
  }
  readonly messages: {
    send(input: SendInput): Promise<Json<Sent>>
    receive(agent: string, options: { limit?: number; waitMs?: number; queues?: string[] }): Promise<(Json<AgentMessage> & { deliveryId: number; leaseNo: number })[]>
    settle(settlement: Settlement): Promise<void>
    list(options: MessageListOptions): Promise<Json<Page<AgentMessage>>>
    get(id: string): Promise<Json<MessageWithDeliveries>>
    deadLetters(options: PageOptions): Promise<Json<Page<AgentDeadLetter>>>
    redrive(ids: readonly string[]): Promise<{ id: string; messageId: string }[]>
  }
  readonly importTarget: ImportTarget
  /** Where it works, for people. */
  readonly place: string
  close(): Promise<void>
}
