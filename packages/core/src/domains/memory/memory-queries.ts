/** Of a memory `m` that exists for the caller. */
export const LIVE = `(m.expires_at IS NULL OR m.expires_at > clock_timestamp())`

export const MEMORY_COLUMNS = `
  m.memory_id AS id, m.memory_key AS key, m.version, m.scope, m.user_id AS "userId", m.agent_id AS "agentId", m.session_id AS "sessionId", m.session_position AS position,
  m.speaker, m.content, encode(m.content_hash, 'hex') AS "contentHash", m.context, m.emotional_state AS "emotionalState", m.importance_score AS importance,
  m.relevance_score AS relevance,
  memory.relevance_at(m.relevance_score, m.retention_priority, greatest(m.occurred_at, m.reinforced_at), statement_timestamp()) AS "currentRelevance",
  m.metadata, m.tags, CASE WHEN m.source_id IS NOT NULL THEN jsonb_build_object('kind', m.source_kind, 'id', m.source_id) END AS source,
  m.occurred_at AS "occurredAt", m.retention_priority AS "retentionPriority", m.expires_at AS "expiresAt", m.is_archived AS "isArchived", m.archived_at AS "archivedAt",
  m.archive_reason AS "archiveReason", m.parent_memory_id AS "parentId", m.related_task_id AS "relatedTaskId", m.mentions, m.reinforced_at AS "reinforcedAt",
  m.created_at AS "createdAt", m.updated_at AS "updatedAt"`

/**
 * Any number of new memories; a row for each that nobody remembered before. $1 tenant, $2 JSON array. By identity, so that two who
 * remember the same wait for each other and do not deadlock.
 */
export const INSERT_MEMORIES = `
  INSERT INTO memory.conversation_memory AS m (tenant_id, memory_id, memory_key, identity, scope, user_id, agent_id, session_id, session_position, speaker,
    content, content_hash, context, emotional_state, importance_score, relevance_score, metadata, tags, source_kind, source_id, occurred_at,
    retention_priority, expires_at, parent_memory_id, related_task_id)
  SELECT $1, g.id, g.key, decode(g.identity, 'hex'), g.scope, g."userId", g."agentId", g."sessionId", g.position, g.speaker,
    g.content, decode(g."contentHash", 'hex'), coalesce(g.context, 'general'), g."emotionalState", coalesce(g.importance, 0.5), coalesce(g.relevance, 0.5),
    coalesce(g.metadata, '{}'), coalesce(g.tags, '{}'), g."sourceKind", g."sourceId", coalesce(g."occurredAt", date_trunc('milliseconds', clock_timestamp())),
    coalesce(g."retentionPriority", 'normal'), g."expiresAt", g."parentId", g."relatedTaskId"
  FROM json_to_recordset($2::json) AS g(id uuid, key text, identity text, scope types.memory_scope, "userId" text, "agentId" uuid, "sessionId" uuid, position bigint,
    speaker text, content text, "contentHash" text, context text, "emotionalState" text, importance numeric, relevance numeric, metadata jsonb, tags text[],
    "sourceKind" text, "sourceId" text, "occurredAt" timestamptz, "retentionPriority" types.retention_priority, "expiresAt" timestamptz, "parentId" uuid,
    "relatedTaskId" uuid)
  ORDER BY g.identity
  ON CONFLICT (tenant_id, identity) DO NOTHING
  RETURNING encode(m.identity, 'hex') AS identity`

/** $1 tenant, $2 identities in hexadecimal. */
export const LOCK_KNOWN = `
  SELECT encode(m.identity, 'hex') AS identity, m.memory_id AS id, m.memory_key AS key, m.version, encode(m.content_hash, 'hex') AS "contentHash",
    m.is_archived AS "isArchived", NOT ${LIVE} AS expired
  FROM memory.conversation_memory m WHERE m.tenant_id = $1 AND m.identity IN (SELECT decode(h, 'hex') FROM unnest($2::text[]) h)
  ORDER BY m.identity FOR UPDATE`

/** Words that came again: one mention more, and out of the archive. $1 tenant, $2 ids. */
export const MENTION_AGAIN = `
  UPDATE memory.conversation_memory m SET mentions = m.mentions + 1, reinforced_at = clock_timestamp(), version = m.version + m.is_archived::int,
    is_archived = false, archived_at = NULL, archive_reason = NULL
  WHERE m.tenant_id = $1 AND m.memory_id = ANY ($2::uuid[]) RETURNING m.memory_id AS id, m.version`

/** $1 tenant, $2 ids. Versions, links and whatever else hangs on them go with them. */
export const DELETE_MEMORIES = `DELETE FROM memory.conversation_memory m WHERE m.tenant_id = $1 AND m.memory_id = ANY ($2::uuid[]) RETURNING ${LIVE} AS live`

/** $1 tenant, $2 ids; in no order. */
export const GET_MEMORIES = `SELECT ${MEMORY_COLUMNS} FROM memory.conversation_memory m WHERE m.tenant_id = $1 AND m.memory_id = ANY ($2::uuid[]) AND ${LIVE}`

/** $1 tenant, $2 identity in hexadecimal. */
export const GET_BY_IDENTITY = `SELECT ${MEMORY_COLUMNS} FROM memory.conversation_memory m WHERE m.tenant_id = $1 AND m.identity = decode($2, 'hex') AND ${LIVE}`

/** In its session, on both sides. $1 tenant, $2 session, $3 position, $4 how many before, $5 how many after. */
export const NEIGHBOURS = `
  (SELECT ${MEMORY_COLUMNS} FROM memory.conversation_memory m
   WHERE m.tenant_id = $1 AND m.session_id = $2 AND m.session_position < $3 AND ${LIVE} ORDER BY m.session_position DESC, m.memory_id DESC LIMIT $4)
  UNION ALL
  (SELECT ${MEMORY_COLUMNS} FROM memory.conversation_memory m
   WHERE m.tenant_id = $1 AND m.session_id = $2 AND m.session_position > $3 AND ${LIVE} ORDER BY m.session_position, m.memory_id LIMIT $5)
  ORDER BY position, id`
