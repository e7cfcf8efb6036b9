import { uuidv7 } from '../../ids/index.ts'
import * as z from 'zod'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { decodeCursor, pageLimit, toPage, type Page, type PageOptions } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { requireAgent, resolveAgentId } from './agent-ids.ts'
import { check, text } from '../../checks/index.ts'
import { ADD_CONNECTION, LIST_CONNECTIONS, SET_CONNECTION_ACTIVE, USE_CONNECTION } from './relations-queries.ts'
import { SSL_MODES, type AgentConnection } from './types.ts'

export interface AddConnection {
  /** Name of the connection, unique for the agent. */
  readonly connectionId: string
  readonly host: string
  /** @default 5432 */
  readonly port?: number
  readonly databaseName: string
  /** @default 'require' */
  readonly sslMode?: AgentConnection['sslMode']
  /** @default 5 */
  readonly poolSize?: number
  /** @default 10, or the pool size where that is more */
  readonly maxConnections?: number
  /** @default true */
  readonly active?: boolean
  /** Name of the secret that holds user and password. */
  readonly secretRef?: string
}

/** What is needed to connect, without credentials: add those that `secretRef` names. */
export interface UsableConnection {
  readonly id: string
  /** postgresql://host:port/database?sslmode=… */
  readonly connectionString: string
  readonly poolSize: number
  readonly maxConnections: number
  readonly secretRef: string | null
}

const count = z.number().int().min(1).max(100_000).optional()
const addSchema = z.strictObject({
  connectionId: text(1, 255),
  host: text(1, 255).regex(/^[A-Za-z0-9._:-]+$/, 'is not a host name or address'),
  port: z.number().int().min(1).max(65_535).optional(),
  databaseName: text(1, 63).regex(/^[^\p{Cc}\s/?#@%&]+$/u, 'holds a character that a connection string cannot hold'),
  sslMode: z.enum(SSL_MODES).optional(),
  poolSize: count,
  maxConnections: count,
  active: z.boolean().optional(),
  secretRef: text(1, 255).optional(),
})

/** The databases that agents own (not Cairn's own pools). */
export class AgentConnections {
  readonly #context: DomainContext

  constructor(context: DomainContext) {
    this.#context = context
  }

  /** AGENT_NOT_FOUND; DUPLICATE_KEY when the agent has a connection of this name. */
  async add(agentIdOrKey: string, input: AddConnection): Promise<AgentConnection> {
    const checked = check(addSchema, input)
    const poolSize = checked.poolSize ?? 5
    const maxConnections = checked.maxConnections ?? Math.max(10, poolSize)
    if (maxConnections < poolSize) {
      throw new CairnError('INVALID_ARGUMENT', `maxConnections: ${maxConnections} is less than the pool size ${poolSize}.`, {
        details: { field: 'maxConnections' },
      })
    }
    const agentId = await resolveAgentId(this.#context, agentIdOrKey)
    await requireAgent(this.#context, agentId)
    const { connectionId, host, port = 5432, databaseName, sslMode = 'require', active = true, secretRef = null } = checked
    const values = [uuidv7(), agentId, connectionId, host, port, databaseName, sslMode, poolSize, maxConnections, active, secretRef]
    const rows = await this.#rows(ADD_CONNECTION, values).catch((error: unknown) => {
      if (!isCairnError(error, 'DUPLICATE_KEY')) throw error
      throw new CairnError('DUPLICATE_KEY', `connectionId: agent ${agentId} has a connection ${JSON.stringify(connectionId)} already.`, {
        cause: error,
        details: { field: 'connectionId', agentId, connectionId },
      })
    })
    return rows[0] as AgentConnection
  }

  /** Inactive ones too. AGENT_NOT_FOUND. */
  async list(agentIdOrKey: string, page: PageOptions = {}): Promise<Page<AgentConnection>> {
    const agentId = await resolveAgentId(this.#context, agentIdOrKey)
    const limit = pageLimit(page)
    const after = decodeCursor('agent-connections', page.cursor, 1)?.[0] ?? null
    const rows = await this.#rows(LIST_CONNECTIONS, [agentId, after, limit + 1])
    if (rows.length === 0) await requireAgent(this.#context, agentId)
    return toPage('agent-connections', rows, limit, (connection) => [connection.id])
  }

  /** The active connection that was used longest ago, marked as used now (S1 §25). AGENT_NOT_FOUND; NO_ACTIVE_CONNECTION. */
  async use(agentIdOrKey: string): Promise<UsableConnection> {
    const agentId = await resolveAgentId(this.#context, agentIdOrKey)
    const { identity, sql } = this.#context
    try {
      return (await sql.query<UsableConnection>(identity, USE_CONNECTION, [identity.tenant, agentId])).rows[0] as UsableConnection
    } catch (error) {
      if (!isCairnError(error) || error.details['sqlState'] !== NO_DATA_FOUND) throw error
      await requireAgent(this.#context, agentId)
      throw new CairnError('NO_ACTIVE_CONNECTION', `No active connection found for agent ${agentId}. Add one with agents.connections.add, or activate one.`, {
        cause: error,
        details: { agentId },
      })
    }
  }

  activate(agentIdOrKey: string, connectionId: string): Promise<AgentConnection> {
    return this.#setActive(agentIdOrKey, connectionId, true)
  }

  /** `use` no longer gives it. NOT_FOUND; again: no change. */
  deactivate(agentIdOrKey: string, connectionId: string): Promise<AgentConnection> {
    return this.#setActive(agentIdOrKey, connectionId, false)
  }

  async #setActive(agentIdOrKey: string, connectionId: string, active: boolean): Promise<AgentConnection> {
    const name = check(text(1, 255), connectionId, 'connectionId')
    const agentId = await resolveAgentId(this.#context, agentIdOrKey)
    const [connection] = await this.#rows(SET_CONNECTION_ACTIVE, [agentId, name, active])
    if (connection !== undefined) return connection
    await requireAgent(this.#context, agentId)
    throw new CairnError('NOT_FOUND', `Agent ${agentId} has no connection ${JSON.stringify(name)}.`, { details: { agentId, connectionId: name } })
  }

  async #rows(statement: string, values: readonly unknown[]): Promise<AgentConnection[]> {
    const { identity, sql } = this.#context
    return (await sql.query<AgentConnection>(identity, statement, [identity.tenant, ...values])).rows
  }
}

/** SQLSTATE that agents.get_agent_connection raises. */
const NO_DATA_FOUND = 'P0002'
