import type { SqlEngine } from '../engines/sql/index.ts'
import type { TenantIdentity } from '../identity/index.ts'
import type { Logger } from '../observability/index.ts'

/** What every domain service is made with. `cairn.as(...)` makes services with another identity on the same engines. */
export interface DomainContext {
  readonly sql: SqlEngine
  readonly identity: TenantIdentity
  readonly log: Logger
}
