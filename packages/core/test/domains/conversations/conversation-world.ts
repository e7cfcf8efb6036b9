import { v7 as uuidv7 } from 'uuid'
import { expect } from 'vitest'
import { ConversationsService, type ChatSession, type Thread } from '../../../src/domains/conversations/index.ts'
import type { SqlEngine } from '../../../src/engines/sql/index.ts'
import { isCairnError, type CairnError } from '../../../src/errors/index.ts'
import type { Cairn, MessageInput } from '../../../src/index.ts'
import type { TenantIdentity } from '../../../src/identity/index.ts'
import { SILENT_LOGGER } from '../../../src/observability/index.ts'

/** One tenant's conversations on an engine that others use too. */
export class ConversationWorld {
  readonly identity: TenantIdentity
  readonly service: ConversationsService
  readonly sql: SqlEngine

  constructor(sql: SqlEngine, tenant: string) {
    this.sql = sql
    this.identity = { role: 'application', tenant, actor: { kind: 'user', id: 'tester' } }
    this.service = new ConversationsService({ sql, identity: this.identity, log: SILENT_LOGGER })
  }

  async agent(): Promise<string> {
    const id = uuidv7()
    await this.sql.query(
      this.identity,
      `INSERT INTO agents.registry (tenant_id, agent_id, agent_key, agent_name, agent_type, agent_type_tenant) VALUES ($1, $2, $3, $3, 'specialist', '*')`,
      [this.identity.tenant, id, `agent ${id}`],
    )
    return id
  }

  async thread(): Promise<{ session: ChatSession; thread: Thread }> {
    const session = await this.service.createSession()
    return { session, thread: await this.service.createThread({ sessionId: session.id }) }
  }

  async rows<Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.sql.query<Row>(this.identity, text, values)).rows
  }
}

/** The CairnError that `promise` rejects with; fails the test when it resolves or has another code. */
export async function refusal(promise: Promise<unknown>, code: string): Promise<CairnError> {
  const outcome = await promise.then(
    (value) => new Error(`expected ${code}, but it resolved: ${JSON.stringify(value)}`),
    (error: unknown) => error,
  )
  if (!isCairnError(outcome)) throw outcome
  expect(outcome.code, outcome.message).toBe(code)
  return outcome
}

export const user = { kind: 'user' } as const

/** A new thread in a new session of the tenant, with these messages in it. */
export async function openThread(cairn: Cairn, tenant: string, messages: readonly MessageInput[] = []) {
  const { conversations } = cairn.as({ tenant })
  const session = await conversations.createSession()
  const thread = await conversations.createThread({ sessionId: session.id })
  return { conversations, session, thread, messages: await conversations.appendMany(thread.id, messages) }
}

export function said(content: string, label = 'Ida'): MessageInput {
  return { author: { kind: 'user', label }, content }
}

export async function joined(parts: AsyncIterable<string>): Promise<string> {
  let all = ''
  for await (const part of parts) all += part
  return all
}
