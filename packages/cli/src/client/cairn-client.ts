import type {
  Agent, AgentFilter, ChatSession, Checkpoint, CheckpointWithState, FileSource, ForkResult, ImportAgentOptions, ImportAgentResult, ListMessagesOptions, ListSessionsOptions,
  ListThreadsOptions, Message, Page, PageOptions, PruneResult, RegisterAgent, RestoreOptions, RestoreResult, RetentionPolicy, StateDiff, StateEntry, TagOptions, Thread,
} from '@cairn/core'
import type { ImportTarget } from '../import/import-target.ts'

/** `T` as it comes out of JSON: times are ISO texts. */
export type Json<T> = T extends Date ? string : T extends readonly (infer Item)[] ? Json<Item>[] : T extends object ? { [Key in keyof T]: Json<T[Key]> } : T

export interface WriteOptions {
  readonly ack?: 'hot' | 'durable'
  readonly ifRevision?: number
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
    set(agent: string, key: string, value: unknown, options: WriteOptions): Promise<{ revision: number }>
    delete(agent: string, key: string, options: WriteOptions): Promise<{ deleted: boolean; revision: number }>
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
  readonly conversations: {
    sessions(options: ListSessionsOptions): Promise<Json<Page<ChatSession>>>
    session(idOrKey: string): Promise<Json<ChatSession>>
    threads(options: ListThreadsOptions): Promise<Json<Page<Thread>>>
    messages(options: ListMessagesOptions): Promise<Json<Page<Message>>>
  }
  readonly importTarget: ImportTarget
  /** Where it works, for people. */
  readonly place: string
  close(): Promise<void>
}
