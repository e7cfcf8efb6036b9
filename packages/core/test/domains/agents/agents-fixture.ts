import { afterAll, beforeAll, expect } from 'vitest'
import { AgentsService } from '../../../src/domains/agents/index.ts'
import { isCairnError, type CairnError, type ErrorCode } from '../../../src/errors/index.ts'
import type { TenantIdentity } from '../../../src/identity/index.ts'
import { SILENT_LOGGER } from '../../../src/observability/index.ts'
import { uniqueName, type SqlTarget, type SqlTestDatabase } from '../../harness/engines.ts'

export interface Tenant {
  readonly tenant: string
  readonly identity: TenantIdentity
  readonly agents: AgentsService
  /** Rows of a statement run as this tenant. */
  sql<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>
}

/** One database for a test file; every call of the returned function gives a tenant of its own in it. */
export function useAgents(target: SqlTarget): { tenant(actorId?: string): Tenant; database(): SqlTestDatabase } {
  let database: SqlTestDatabase
  beforeAll(async () => {
    database = await target.open()
  })
  afterAll(() => database?.dispose())
  return {
    database: () => database,
    tenant(actorId = 'tester') {
      const name = uniqueName('t')
      const identity: TenantIdentity = { role: 'application', tenant: name, actor: { kind: 'service', id: actorId } }
      return {
        tenant: name,
        identity,
        agents: new AgentsService({ sql: database.engine, identity, log: SILENT_LOGGER }),
        sql: async <Row>(text: string, values: readonly unknown[] = []) => (await database.engine.query<Row>(identity, text, values)).rows,
      }
    },
  }
}

/** The CairnError of this code with which `promise` rejects. */
export async function failure(promise: Promise<unknown>, code: ErrorCode): Promise<CairnError> {
  const error = await promise.then(
    (value) => expect.fail(`expected ${code}, but it resolved with ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  )
  if (!isCairnError(error, code)) throw new Error(`expected ${code}, got ${String(error)}`, { cause: error })
  return error
}

/** The name of the database rule that refuses the statement. */
export async function refusedBy(promise: Promise<unknown>): Promise<unknown> {
  return (await failure(promise, 'CONSTRAINT_VIOLATION')).details['constraint']
}
