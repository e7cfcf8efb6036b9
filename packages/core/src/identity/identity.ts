import { CairnError } from '../errors/index.ts'

/** Who acts. `id` is a user id, an agent id or key, or the name of a service. */
export interface Actor {
  readonly kind: 'user' | 'agent' | 'service' | 'system'
  readonly id: string
}

/** The identity of an ordinary call: row-level security shows it the rows of `tenant` and no others. */
export interface TenantIdentity {
  readonly role: 'application'
  readonly tenant: string
  readonly actor: Actor
}

/**
 * What a SQL connection acts as.
 * - `application`: one tenant, under the group role `application_user`; row-level security applies.
 * - `maintenance`: all tenants, under `maintenance_user`, for the few batch paths listed in
 *   `engines/sql/maintenance-paths.ts` (flush, recovery, partitions, writers).
 * - `owner`: the login role itself, for migrations only.
 */
export type Identity = TenantIdentity | { readonly role: 'maintenance' } | { readonly role: 'owner' }

export const MAINTENANCE: Identity = Object.freeze({ role: 'maintenance' })
export const OWNER: Identity = Object.freeze({ role: 'owner' })

export const DEFAULT_TENANT = 'default'

/** A tenant id is also a NATS subject token and a file-safe name. */
const TENANT_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/

/** Throws INVALID_ARGUMENT unless `tenant` is 1..63 of `A-Z a-z 0-9 _ -`, beginning with a letter or digit. */
export function checkTenant(tenant: string): string {
  if (typeof tenant !== 'string' || !TENANT_PATTERN.test(tenant)) {
    throw new CairnError(
      'INVALID_ARGUMENT',
      `tenant: ${JSON.stringify(tenant)} is not a tenant id. Use 1 to 63 of A-Z a-z 0-9 _ -, beginning with a letter or digit.`,
      { details: { field: 'tenant' } },
    )
  }
  return tenant
}
