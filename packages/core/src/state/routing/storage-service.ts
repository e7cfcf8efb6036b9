import { CairnError } from '../../errors/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import type { StateCore } from '../state-core.ts'
import type { StateService } from '../state-service.ts'
import { AgentSessions } from './agent-sessions.ts'
import { AgentStateStorage } from './agent-state-storage.ts'
import { DATA_TYPES, type DataStorage, type DataType, type StorageLayer } from './data-storage.ts'
import { DocumentStorage } from './document-storage.ts'
import { type SessionBucket, SessionStorage } from './session-storage.ts'

/** Where each type of data lies, from the fastest layer to the one that counts in the end (S4 §1.2). */
export const ROUTES: Readonly<Record<DataType, readonly StorageLayer[]>> = Object.freeze({
  session: ['distributed_kv'],
  agent_state: ['memory_cache', 'distributed_kv', 'relational_db'],
  task: ['relational_db'],
  message: ['relational_db'],
  knowledge: ['relational_db'],
})

export interface StorageScope {
  /** Of `agent_state`: whose, by id or key. */
  readonly agent?: string
  /** Of `message`: the thread that is written to and searched. */
  readonly thread?: string
}

/** Makes the storage of a type that a domain keeps; undefined when the scope lacks something. */
export type StorageMaker = (scope: StorageScope) => DataStorage

export interface StorageDeps {
  readonly core: StateCore
  readonly sql: SqlEngine
  readonly sessions: SessionBucket
  readonly state: StateService
  /** Types that domains keep. */
  readonly domains: Partial<Record<DataType, StorageMaker>>
}

/** The data router: gives each type of data the storage on its layers. Source: S4 §1.1, §1.2. */
export class StorageService {
  /** The whole session data of an agent (S1 §26). */
  readonly agentSessions: AgentSessions
  readonly #deps: StorageDeps
  readonly #identity: TenantIdentity

  constructor(deps: StorageDeps, identity: TenantIdentity) {
    this.#deps = deps
    this.#identity = identity
    this.agentSessions = new AgentSessions(deps.sql, identity, deps.core.directory)
  }

  /** The layers that `for` uses. INVALID_ARGUMENT for an unknown type. */
  selectStorage(type: DataType): readonly StorageLayer[] {
    if (!DATA_TYPES.includes(type)) throw new CairnError('INVALID_ARGUMENT', `type: ${JSON.stringify(type)} is not a type of data. Use one of ${DATA_TYPES.join(', ')}.`, { details: { field: 'type', known: DATA_TYPES } })
    return ROUTES[type]
  }

  /** INVALID_ARGUMENT for an unknown type or a scope that lacks its agent or thread; CAPABILITY_MISSING for a type that this build does not keep. */
  for<T = unknown>(type: DataType, scope: StorageScope = {}): DataStorage<T> {
    this.selectStorage(type)
    const domain = this.#deps.domains[type]
    if (domain !== undefined) return domain(scope) as DataStorage<T>
    const { core, sql, sessions, state } = this.#deps
    switch (type) {
      case 'session':
        return new SessionStorage<T>(sessions, this.#identity.tenant)
      case 'agent_state':
        if (scope.agent === undefined) throw new CairnError('INVALID_ARGUMENT', "agent: agent state belongs to an agent: storage.for('agent_state', { agent }).", { details: { field: 'agent' } })
        return new AgentStateStorage<T>(core, this.#identity, state, scope.agent)
      case 'knowledge':
        return new DocumentStorage<T>(sql, this.#identity)
      default:
        throw new CairnError('CAPABILITY_MISSING', `storage: this build keeps no ${type} data: the domain that owns it is not part of it.`, { details: { type } })
    }
  }
}
