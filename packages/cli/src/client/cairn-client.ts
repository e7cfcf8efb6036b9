import type {
  Agent, AgentFilter, AgentLifecycle, Breaker, BreakerEvent, BreakerState, CacheInvalidation, CacheStats, ChatSession, Checkpoint,
  CheckpointWithState, ConflictPolicy, ConflictPolicyListOptions, FlushResult, ForkResult, History, HistoryChange, HistoryItem, HydrateResult,
  ListHistoriesOptions, ListHistoryItemsOptions, ListMessagesOptions, ListSessionsOptions, ListThreadsOptions, Message, Page, PageOptions,
  PoolsReport, RegisterAgent, RepairResult, RestoreResult, SetConflictPolicy, SetResult, StateEntry, Thread,
} from '@cairn/core'
import type { ImportTarget } from '../import/import-target.ts'
import type { DocumentsClient } from './documents-client.ts'

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

/** What the commands ask of Cairn, in this process or over HTTP; both answer with the same JSON. */
export interface CairnClient {
  readonly agents: {
    list(filter: AgentFilter): Promise<Json<Page<Agent>>>
    get(agent: string): Promise<Json<Agent>>
    register(input: RegisterAgent): Promise<Json<Agent>>
    retire(agent: string, reason: string | undefined): Promise<Json<Agent>>
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
    list(agent: string, options: PageOptions & { name?: string }): Promise<Json<Page<Checkpoint>>>
    create(agent: string, options: { name?: string; trigger?: string }): Promise<Json<Checkpoint>>
    get(id: string): Promise<Json<CheckpointWithState>>
    restore(id: string): Promise<Json<RestoreResult>>
    fork(id: string, options: { agent: string; name?: string }): Promise<Json<ForkResult>>
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
  readonly documents: DocumentsClient
  readonly importTarget: ImportTarget
  /** Where it works, for people. */
  readonly place: string
  close(): Promise<void>
}
