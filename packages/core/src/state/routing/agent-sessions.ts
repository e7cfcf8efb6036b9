import { uuidv7 } from '../../ids/index.ts'
import { CairnError } from '../../errors/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import type { AgentDirectory } from '../agent-directory.ts'
import { canonicalJson } from '../canonical-json.ts'
import { END_EXPIRED_SESSION, END_SESSION, LOAD_SESSION, UPSERT_SESSION } from './routing-queries.ts'

/** The whole session data of an agent, one JSON object, in SQL (S1 §26). One session an agent is active; those before it stay. */
export class AgentSessions {
  readonly #sql: SqlEngine
  readonly #identity: TenantIdentity
  readonly #directory: AgentDirectory

  constructor(sql: SqlEngine, identity: TenantIdentity, directory: AgentDirectory) {
    this.#sql = sql
    this.#identity = identity
    this.#directory = directory
  }

  /** Replaces the data of the active session, or begins one; resolves when committed. AGENT_NOT_FOUND, INVALID_ARGUMENT, SERIALIZATION_ERROR. */
  async save(agent: string, data: Readonly<Record<string, unknown>>, options: { readonly ttlMs?: number } = {}): Promise<{ sessionId: string }> {
    if (typeof data !== 'object' || data === null || Array.isArray(data)) throw new CairnError('INVALID_ARGUMENT', 'data: the session data of an agent is a JSON object.', { details: { field: 'data' } })
    const { ttlMs } = options
    if (ttlMs !== undefined && (!Number.isSafeInteger(ttlMs) || ttlMs < 1)) throw new CairnError('INVALID_ARGUMENT', `ttlMs: ${String(ttlMs)} is not a whole number of milliseconds, 1 or more.`, { details: { field: 'ttlMs' } })
    const text = canonicalJson(data)
    const { tenant } = this.#identity
    const agentId = await this.#directory.resolve(this.#identity, agent)
    return this.#sql.transaction(this.#identity, async (session) => {
      await session.query(END_EXPIRED_SESSION, [tenant, agentId])
      const { rows } = await session.query<{ id: string }>(UPSERT_SESSION, [tenant, agentId, uuidv7(), text, ttlMs ?? null])
      return { sessionId: (rows[0] as { id: string }).id }
    })
  }

  /** The data of the active session, `{}` without one; marks it as used. AGENT_NOT_FOUND. */
  async load(agent: string): Promise<Record<string, unknown>> {
    const agentId = await this.#directory.resolve(this.#identity, agent)
    const { rows } = await this.#sql.query<{ data: Record<string, unknown> }>(this.#identity, LOAD_SESSION, [this.#identity.tenant, agentId])
    return rows[0]?.data ?? {}
  }

  /** Ends the active session; false without one. */
  async end(agent: string): Promise<boolean> {
    const agentId = await this.#directory.resolve(this.#identity, agent)
    return (await this.#sql.query(this.#identity, END_SESSION, [this.#identity.tenant, agentId])).rowCount > 0
  }
}
