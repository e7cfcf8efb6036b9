import { CairnError } from '../../../errors/index.ts'
import type { Logger } from '../../../observability/index.ts'
import type { SqlConnection } from '../sql-connection.ts'
import type { PoolName } from '../sql-engine.ts'
import { hasOwnPool, isElsewhere, poolOptions, type PostgresEngineOptions } from './postgres-options.ts'
import { SERVER_LIMITS } from './replica-queries.ts'

interface ServerLimits {
  readonly max_connections: number
  readonly usable: number
  readonly role_limit: number | null
  readonly database_limit: number | null
}

const POOLS: readonly PoolName[] = ['primary', 'replica', 'background', 'analytics']
/** The listener, and one that cancels a statement. */
const BESIDES_POOLS = 2
const WARN_ABOVE = 0.8

/**
 * Compares what the pools on the primary's server may open with what that server allows. Pools that were named and do
 * not fit are INVALID_OPTION; unnamed ones, and those that leave little for others, are a warning.
 */
export async function checkBudget(connection: SqlConnection, options: PostgresEngineOptions, log: Logger): Promise<void> {
  const { rows } = await connection.query<ServerLimits>(SERVER_LIMITS)
  const server = rows[0] as ServerLimits
  const allowed = Math.min(server.usable, server.role_limit ?? Infinity, server.database_limit ?? Infinity)
  const sizes = POOLS.filter((name) => hasOwnPool(options, name) && !isElsewhere(options, name)).map((name) => [name, poolOptions(options, name).max] as const)
  const wanted = sizes.reduce((sum, [, max]) => sum + max, BESIDES_POOLS)
  if (wanted <= allowed * WARN_ABOVE) return
  const parts = sizes.map(([name, max]) => `${name} ${max}`).join(', ')
  const limits = { maxConnections: server.max_connections, allowed, wanted }
  if (wanted <= allowed) {
    log.warn(limits, `The pools (${parts}) may take ${wanted} of the ${allowed} connections that the server has for this login; little is left for other processes`)
    return
  }
  const message = `The pools (${parts}, and ${BESIDES_POOLS} besides) may open ${wanted} connections, but the server has ${allowed} for this login (max_connections ${server.max_connections}).`
  if (options.pools === undefined && options.poolTemplate === undefined) {
    log.warn(limits, message)
    return
  }
  throw new CairnError('INVALID_OPTION', `pools: ${message} Make the pools smaller, or raise max_connections.`, { details: { option: 'pools', ...limits } })
}
