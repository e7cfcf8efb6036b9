import type { PageOptions } from '../../paging/index.ts'
import type { CrdtType } from './crdt/index.ts'

export type ConflictStrategy = 'lww' | 'vector' | 'crdt' | 'custom'
export const CONFLICT_STRATEGIES = ['lww', 'vector', 'crdt', 'custom'] as const satisfies readonly ConflictStrategy[]

/** How two writes of one key are resolved, and of which keys. */
export interface ConflictPolicy {
  readonly id: string
  /** Agent it is for; null: see `agentType`. */
  readonly agentId: string | null
  /** Type of the agents it is for; null with `agentId` null: every agent of the tenant. */
  readonly agentType: string | null
  /** The key (`exact`) or what keys begin with. */
  readonly prefix: string
  readonly exact: boolean
  readonly strategy: ConflictStrategy
  /** Name of the merge function: of `custom` always, of `vector` when writes that did not know of each other are merged. */
  readonly merge: string | null
  /** Type of the value under `crdt`; null: what the first write or operation makes it. */
  readonly crdtType: CrdtType | null
  /** Under `vector` without merge: values kept side by side before further ones are refused. */
  readonly maxSiblings: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface SetConflictPolicy {
  /** Id or key of the agent. Without it and without `agentType` the policy is for all agents of the tenant. */
  readonly agent?: string
  readonly agentType?: string
  /** Keys that begin with this text; '' is every key. Give either this or `key`. */
  readonly prefix?: string
  /** This key alone. */
  readonly key?: string
  readonly strategy: ConflictStrategy
  readonly merge?: string
  readonly crdtType?: CrdtType
  /** 2 to 100. @default 16 */
  readonly maxSiblings?: number
}

export interface ConflictPolicyListOptions extends PageOptions {
  readonly strategy?: ConflictStrategy
}

/** What a resolution needs of a policy; kept with a write that has to be resolved later. */
export type Resolution = Pick<ConflictPolicy, 'strategy' | 'merge' | 'crdtType' | 'maxSiblings'>
