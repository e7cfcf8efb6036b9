import { uuidv7 } from '../../ids/index.ts'
import { CairnError } from '../../errors/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import { type Page, decodeCursor, encodeCursor, pageLimit } from '../../paging/index.ts'
import type { StateCore } from '../state-core.ts'
import { checkStateKey } from '../state-key.ts'
import { CRDT_TYPES } from './crdt/index.ts'
import { checkMergeName } from './merge-registry.ts'
import { COUNT_POLICIES, DELETE_POLICY, HAS_AGENT_TYPE, LIST_POLICIES, UPSERT_POLICY } from './policy-queries.ts'
import { CONFLICT_STRATEGIES, type ConflictPolicy, type ConflictPolicyListOptions, type SetConflictPolicy } from './policy-types.ts'

const LIST = 'state-policies'
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
/** Every process keeps all of them in memory. */
export const MAX_POLICIES = 1_000
const DEFAULT_MAX_SIBLINGS = 16

/** Which strategy resolves the conflicts of which keys. Errors: INVALID_ARGUMENT, AGENT_NOT_FOUND, NOT_FOUND, INVALID_CURSOR. Source: S4 §6.2. */
export class ConflictPolicies {
  readonly #core: StateCore
  readonly #identity: TenantIdentity

  constructor(core: StateCore, identity: TenantIdentity) {
    this.#core = core
    this.#identity = identity
  }

  /**
   * Makes the policy of a scope, or replaces the one it has. In force in this process when it resolves, in others within
   * `state.heartbeatMs` (2 s by default). What is stored keeps its value; the next write is resolved by the new strategy.
   */
  async set(input: SetConflictPolicy): Promise<ConflictPolicy> {
    check(input)
    const { tenant } = this.#identity
    const agentId = input.agent === undefined ? null : await this.#core.directory.resolve(this.#identity, input.agent)
    if (input.agentType !== undefined) await this.#checkAgentType(input.agentType)
    const scope = [agentId, input.agentType ?? null, input.key ?? input.prefix ?? '', input.key !== undefined]
    const { rows: counted } = await this.#core.sql.query<{ n: number }>(this.#identity, COUNT_POLICIES, [tenant, ...scope])
    if ((counted[0]?.n ?? 0) >= MAX_POLICIES) throw new CairnError('INVALID_ARGUMENT', `policies: tenant "${tenant}" has ${MAX_POLICIES} policies, the most there may be. Remove some, or use prefixes.`)
    const { rows } = await this.#core.sql.query<ConflictPolicy>(this.#identity, UPSERT_POLICY, [
      tenant, uuidv7(), ...scope, input.strategy, input.merge ?? null, input.crdtType ?? null, input.maxSiblings ?? DEFAULT_MAX_SIBLINGS,
    ])
    await this.#core.conflicts.policies.refresh()
    return rows[0] as ConflictPolicy
  }

  /** Policies in the order they were made. */
  async list(options: ConflictPolicyListOptions = {}): Promise<Page<ConflictPolicy>> {
    const limit = pageLimit(options)
    if (options.strategy !== undefined) checkStrategy(options.strategy)
    const after = decodeCursor(LIST, options.cursor, 2)
    const { rows } = await this.#core.sql.query<ConflictPolicy & { createdText: string }>(this.#identity, LIST_POLICIES, [this.#identity.tenant, options.strategy ?? null, after?.[0] ?? null, after?.[1] ?? null, limit + 1])
    const last = rows[limit - 1]
    const items = rows.slice(0, limit).map(({ createdText: _, ...policy }) => policy)
    return { items, nextCursor: rows.length > limit && last !== undefined ? encodeCursor(LIST, [last.createdText, last.id]) : null }
  }

  /** The policy in force for a key of an agent; undefined: the last acknowledged write wins. */
  async of(agent: string, key: string): Promise<ConflictPolicy | undefined> {
    checkStateKey(key)
    const agentId = await this.#core.directory.resolve(this.#identity, agent)
    await this.#core.conflicts.policies.refresh()
    return this.#core.conflicts.policies.of({ tenant: this.#identity.tenant, agentId, key })
  }

  /** False when there was none. The keys keep their values; from then on the last acknowledged write wins. */
  async remove(id: string): Promise<boolean> {
    if (typeof id !== 'string' || !UUID.test(id)) throw new CairnError('INVALID_ARGUMENT', `policyId: ${JSON.stringify(id)} is not a UUID.`, { details: { field: 'policyId' } })
    const { rowCount } = await this.#core.sql.query(this.#identity, DELETE_POLICY, [this.#identity.tenant, id])
    await this.#core.conflicts.policies.refresh()
    return rowCount > 0
  }

  async #checkAgentType(agentType: string): Promise<void> {
    const { rows } = await this.#core.sql.query<{ known: boolean }>(this.#identity, HAS_AGENT_TYPE, [this.#identity.tenant, agentType.replaceAll('\u0000', '')])
    if (rows[0]?.known !== true) bad('agentType', agentType, 'a known agent type')
  }
}

function check(input: SetConflictPolicy): void {
  checkStrategy(input.strategy)
  if (input.agent !== undefined && input.agentType !== undefined) bad('agentType', input.agentType, 'possible beside agent: give one of them')
  if (input.agentType !== undefined && typeof input.agentType !== 'string') bad('agentType', input.agentType, 'text')
  if ((input.key === undefined) === (input.prefix === undefined)) throw new CairnError('INVALID_ARGUMENT', 'prefix: give either prefix (the empty text for every key) or key.', { details: { field: 'prefix' } })
  if (input.key !== undefined) checkStateKey(input.key)
  if (input.prefix !== undefined && input.prefix !== '') checkStateKey(input.prefix)
  if (input.merge !== undefined) {
    checkMergeName(input.merge)
    if (input.strategy !== 'custom' && input.strategy !== 'vector') bad('merge', input.merge, `used by the strategy ${input.strategy}`)
  } else if (input.strategy === 'custom') {
    throw new CairnError('INVALID_ARGUMENT', 'merge: the strategy custom needs the name of a merge function.', { details: { field: 'merge' } })
  }
  if (input.crdtType !== undefined) {
    if (!CRDT_TYPES.includes(input.crdtType)) bad('crdtType', input.crdtType, `one of ${CRDT_TYPES.join(', ')}`)
    if (input.strategy !== 'crdt') bad('crdtType', input.crdtType, `used by the strategy ${input.strategy}`)
  }
  const most = input.maxSiblings
  if (most !== undefined && !(Number.isInteger(most) && most >= 2 && most <= 100)) bad('maxSiblings', most, 'a whole number from 2 to 100')
}

function checkStrategy(strategy: unknown): void {
  if (!(CONFLICT_STRATEGIES as readonly unknown[]).includes(strategy)) bad('strategy', strategy, `one of ${CONFLICT_STRATEGIES.join(', ')}`)
}

function bad(field: string, value: unknown, wanted: string): never {
  throw new CairnError('INVALID_ARGUMENT', `${field}: ${JSON.stringify(value)} is not ${wanted}.`, { details: { field } })
}
