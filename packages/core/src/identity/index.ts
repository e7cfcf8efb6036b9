export { DEFAULT_TENANT, MAINTENANCE, OWNER, checkTenant, type Actor, type Identity, type TenantIdentity } from './identity.ts'
