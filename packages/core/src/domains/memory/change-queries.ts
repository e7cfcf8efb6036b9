import { LIVE, MEMORY_COLUMNS } from './memory-queries.ts'

/** $1 tenant, $2 ids; in the order of ids, so that two who lock the same do not deadlock. */
export const LOCK_MEMORIES = `SELECT ${MEMORY_COLUMNS} FROM memory.conversation_memory m WHERE m.tenant_id = $1 AND m.memory_id = ANY ($2::uuid[]) AND ${LIVE} ORDER BY m.memory_id FOR UPDATE`

/** Writes all that can change. $1 tenant, $2 id, $3 JSON object, $4 identity in hexadecimal. */
export const CHANGE_MEMORY = `
  UPDATE memory.conversation_memory m SET version = m.version + 1, identity = decode($4, 'hex'), content = g.content, content_hash = decode(g."contentHash", 'hex'),
    context = g.context, emotional_state = g."emotionalState", importance_score = g.importance, relevance_score = g.relevance, metadata = g.metadata, tags = g.tags,
    speaker = g.speaker, occurred_at = g."occurredAt", retention_priority = g."retentionPriority", expires_at = g."expiresAt", parent_memory_id = g."parentId",
    related_task_id = g."relatedTaskId"
  FROM json_to_record($3::json) AS g(content text, "contentHash" text, context text, "emotionalState" text, importance numeric, relevance numeric, metadata jsonb,
    tags text[], speaker text, "occurredAt" timestamptz, "retentionPriority" types.retention_priority, "expiresAt" timestamptz, "parentId" uuid, "relatedTaskId" uuid)
  WHERE m.tenant_id = $1 AND m.memory_id = $2 RETURNING ${MEMORY_COLUMNS}`

/** $1 tenant, $2 ids, $3 reason. */
export const ARCHIVE_MEMORIES = `
  UPDATE memory.conversation_memory m SET version = m.version + 1, is_archived = true, archived_at = clock_timestamp(), archive_reason = $3::types.memory_archive_reason
  WHERE m.tenant_id = $1 AND m.memory_id = ANY ($2::uuid[]) AND NOT m.is_archived RETURNING ${MEMORY_COLUMNS}`

/** $1 tenant, $2 ids, $3 only those archived for this reason, or NULL. */
export const UNARCHIVE_MEMORIES = `
  UPDATE memory.conversation_memory m SET version = m.version + 1, is_archived = false, archived_at = NULL, archive_reason = NULL
  WHERE m.tenant_id = $1 AND m.memory_id = ANY ($2::uuid[]) AND m.is_archived AND ($3::types.memory_archive_reason IS NULL OR m.archive_reason = $3::types.memory_archive_reason)
  RETURNING ${MEMORY_COLUMNS}`

/** What superseded them is no longer said to have. $1 tenant, $2 ids. */
export const UNSUPERSEDE = `DELETE FROM memory.memory_links l WHERE l.tenant_id = $1 AND l.to_memory_id = ANY ($2::uuid[]) AND l.relation = 'supersedes'`

/** $1 tenant, $2 ids. */
export const REINFORCE = `UPDATE memory.conversation_memory m SET reinforced_at = clock_timestamp() WHERE m.tenant_id = $1 AND m.memory_id = ANY ($2::uuid[]) AND ${LIVE}`

/** Serves one change of parents after the other in a tenant, so that two of them cannot close a circle together. $1 tenant. */
export const LOCK_PARENTS = `SELECT pg_advisory_xact_lock(hashtextextended('cairn memory parents ' || $1, 0))`

/** From a memory up to its root. $1 tenant, $2 id. */
export const ANCESTORS = `
  WITH RECURSIVE up AS (
    SELECT m.memory_id, m.parent_memory_id FROM memory.conversation_memory m WHERE m.tenant_id = $1 AND m.memory_id = $2
    UNION SELECT p.memory_id, p.parent_memory_id FROM up JOIN memory.conversation_memory p ON p.tenant_id = $1 AND p.memory_id = up.parent_memory_id
  ) SELECT memory_id AS id FROM up`

/** The consolidations in which these have a part, directly or through others. $1 tenant, $2 ids. */
export const CONSOLIDATIONS_OF = `
  WITH RECURSIVE made AS (
    SELECT l.from_memory_id AS id FROM memory.memory_links l WHERE l.tenant_id = $1 AND l.to_memory_id = ANY ($2::uuid[]) AND l.relation = 'consolidates'
    UNION SELECT l.from_memory_id FROM made JOIN memory.memory_links l ON l.tenant_id = $1 AND l.to_memory_id = made.id AND l.relation = 'consolidates'
  ) SELECT id FROM made`

/** $1 tenant, $2 ids of consolidations. */
export const ORIGINALS_OF = `SELECT DISTINCT l.to_memory_id AS id FROM memory.memory_links l WHERE l.tenant_id = $1 AND l.from_memory_id = ANY ($2::uuid[]) AND l.relation = 'consolidates'`

/** $1 tenant, $2 ids. */
export const FORGET_DECISIONS = `DELETE FROM memory.retention_decisions d WHERE d.tenant_id = $1 AND d.memory_id = ANY ($2::uuid[])`

/** Whatever is a user's, expired or not. $1 tenant, $2 user. */
export const IDS_OF_USER = `SELECT m.memory_id AS id FROM memory.conversation_memory m WHERE m.tenant_id = $1 AND m.user_id = $2 ORDER BY m.memory_id FOR UPDATE`
export const FORGET_BLOCKS_OF_USER = `DELETE FROM memory.blocks b WHERE b.tenant_id = $1 AND b.scope = 'user' AND b.owner = $2`

/** $1 tenant, $2 memory, $3 versions below this or NULL, $4 limit. Newest first. */
export const LIST_VERSIONS = `
  SELECT v.memory_id AS "memoryId", v.version, v.content, v.context, v.emotional_state AS "emotionalState", v.importance_score AS importance, v.relevance_score AS relevance,
    v.metadata, v.tags, v.speaker, v.occurred_at AS "occurredAt", v.retention_priority AS "retentionPriority", v.expires_at AS "expiresAt", v.is_archived AS "isArchived",
    v.archive_reason AS "archiveReason", v.parent_memory_id AS "parentId", v.related_task_id AS "relatedTaskId", v.valid_from AS "validFrom",
    v.replaced_at AS "replacedAt", v.replaced_by AS "replacedBy"
  FROM memory.memory_versions v WHERE v.tenant_id = $1 AND v.memory_id = $2 AND ($3::bigint IS NULL OR v.version < $3) ORDER BY v.version DESC LIMIT $4`

/** $1 tenant, $2 from, $3 to, $4 relation, $5 metadata. Nothing when the link exists. */
export const INSERT_LINK = `
  INSERT INTO memory.memory_links AS l (tenant_id, from_memory_id, to_memory_id, relation, metadata) VALUES ($1, $2, $3, $4, $5::jsonb)
  ON CONFLICT (from_memory_id, to_memory_id, relation) DO NOTHING RETURNING l.created_at`

/** Of many. $1 tenant, $2 from, $3 to, $4 relation. */
export const INSERT_LINKS = `
  INSERT INTO memory.memory_links (tenant_id, from_memory_id, to_memory_id, relation) SELECT $1, $2, t.id, $4 FROM unnest($3::uuid[]) AS t(id)
  ON CONFLICT (from_memory_id, to_memory_id, relation) DO NOTHING`

/** $1 tenant, $2 from, $3 to, $4 relation. */
export const DELETE_LINK = `DELETE FROM memory.memory_links l WHERE l.tenant_id = $1 AND l.from_memory_id = $2 AND l.to_memory_id = $3 AND l.relation = $4`

/**
 * $1 tenant, $2 memory, $3 relation or NULL, $4 direction or NULL, $5 to $7 the last one seen (other id, relation, direction) or NULL, $8 limit.
 */
export const LIST_RELATED = `
  SELECT r.relation, r.direction, r.link_metadata AS "linkMetadata", ${MEMORY_COLUMNS} FROM (
    SELECT l.to_memory_id AS other, l.relation, 'out' AS direction, l.metadata AS link_metadata FROM memory.memory_links l WHERE l.tenant_id = $1 AND l.from_memory_id = $2
    UNION ALL
    SELECT l.from_memory_id, l.relation, 'in', l.metadata FROM memory.memory_links l WHERE l.tenant_id = $1 AND l.to_memory_id = $2
  ) r JOIN memory.conversation_memory m ON m.tenant_id = $1 AND m.memory_id = r.other AND ${LIVE}
  WHERE ($3::text IS NULL OR r.relation = $3) AND ($4::text IS NULL OR r.direction = $4)
    AND ($5::uuid IS NULL OR (r.other, r.relation, r.direction) > ($5::uuid, $6::text, $7::text))
  ORDER BY r.other, r.relation, r.direction LIMIT $8`

/** $1 tenant, $2 one user or NULL, $3 users after this or NULL, $4 limit. */
export const USER_SUMMARIES = `
  SELECT s.user_id AS "userId", s.total_memories AS "totalMemories", s.active_memories AS "activeMemories", s.archived_memories AS "archivedMemories",
    s.permanent_memories AS "permanentMemories", s.high_priority_memories AS "highPriorityMemories", s.expiring_memories AS "expiringMemories", s.agents, s.sessions,
    s.contexts, s.avg_importance AS "avgImportance", s.avg_relevance AS "avgRelevance", s.content_bytes AS "contentBytes", s.first_memory_at AS "firstMemoryAt",
    s.last_memory_at AS "lastMemoryAt"
  FROM memory.user_memory_summary s WHERE s.tenant_id = $1 AND ($2::text IS NULL OR s.user_id = $2) AND ($3::text IS NULL OR s.user_id > $3)
  ORDER BY s.user_id LIMIT $4`

/** $1 tenant, $2 limit. */
export const SWEEP_TENANT_MEMORIES = `
  DELETE FROM memory.conversation_memory m WHERE m.tenant_id = $1 AND m.memory_id IN (
    SELECT x.memory_id FROM memory.conversation_memory x WHERE x.tenant_id = $1 AND x.expires_at <= clock_timestamp() ORDER BY x.expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)`

/** All tenants, as MAINTENANCE. $1 limit. */
export const SWEEP_ALL_MEMORIES = `
  DELETE FROM memory.conversation_memory m WHERE (m.tenant_id, m.memory_id) IN (
    SELECT x.tenant_id, x.memory_id FROM memory.conversation_memory x WHERE x.expires_at <= clock_timestamp() ORDER BY x.expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`
