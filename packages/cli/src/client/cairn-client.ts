import type {
  Agent, AgentDeadLetter, AgentFilter, AgentMessage, MessageListOptions, MessageWithDeliveries, SendInput, Sent, Settlement, ChatSession, Checkpoint, CheckpointWithState, ForkResult, ListMessagesOptions, ListSessionsOptions, ListThreadsOptions,
  Message, Page, PageOptions, RegisterAgent, RestoreResult, StateEntry, Thread,
} from '@cairn/core'
import type { ImportTarget } from '../import/import-target.ts'

/** `T` as it comes out of JSON: times are ISO texts. */
export type Json<T> = T extends Date ? string : T extends readonly (infer Item)[] ? Json<Item>[] : T extends object ? { [Key in keyof T]: Json<T[Key]> } : T

export interface WriteOptions {
  readonly ack?: 'hot' | 'durable'
  readonly ifRevision?: number
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
    set(agent: string, key: string, value: unknown, options: WriteOptions): Promise<{ revision: number }>
    delete(agent: string, key: string, options: WriteOptions): Promise<{ deleted: boolean; revision: number }>
  }
  readonly checkpoints: {
    list(agent: string, options: PageOptions & { name?: string }): Promise<Json<Page<Checkpoint>>>
    create(agent: string, options: { name?: string; trigger?: string }): Promise<Json<Checkpoint>>
    get(id: string): Promise<Json<CheckpointWithState>>
    restore(id: string): Promise<Json<RestoreResult>>
    fork(id: string, options: { agent: string; name?: string }): Promise<Json<ForkResult>>
  }
  readonly conversations: {
    sessions(options: ListSessionsOptions): Promise<Json<Page<ChatSession>>>
    session(idOrKey: string): Promise<Json<ChatSession>>
    threads(options: ListThreadsOptions): Promise<Json<Page<Thread>>>
    messages(options: ListMessagesOptions): Promise<Json<Page<Message>>>
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
