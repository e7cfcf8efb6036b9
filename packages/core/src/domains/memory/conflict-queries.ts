import { LIVE, MEMORY_COLUMNS } from './memory-queries.ts'

/**
 * Along the order of the owner, so that the cost is that of the window.
 */
const NEWEST = (owner: string): string => `
  SELECT ${MEMORY_COLUMNS} FROM memory.conversation_memory m
  WHERE m.tenant_id = $1 AND m.scope = $2::types.memory_scope AND ${owner} AND NOT m.is_archived AND m.memory_id <> $4 AND ${LIVE}
  ORDER BY m.memory_id DESC LIMIT $5`

/** $1 tenant, $2 scope, $3 owner, $4 not this one, $5 how many: the newest memories of the same owner that are in use. */
export const NEWEST_OF = {
  user: NEWEST('m.user_id = $3'),
  agent: NEWEST('m.agent_id = $3::uuid'),
  session: NEWEST('m.session_id = $3::uuid'),
  shared: NEWEST('$3::text IS NULL'),
} as const
