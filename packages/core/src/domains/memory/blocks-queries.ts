const COLUMNS = `
  b.block_id AS id, b.scope, CASE WHEN b.scope = 'user' THEN b.owner END AS "userId", b.agent_id AS "agentId", b.label, b.description, b.content,
  char_length(b.content) AS characters, b.limit_chars AS "limit", b.version, b.created_at AS "createdAt", b.updated_at AS "updatedAt"`

/** $1 tenant, $2 scope, $3 owner, $4 label. */
export const GET_BLOCK = `
  SELECT ${COLUMNS} FROM memory.blocks b WHERE b.tenant_id = $1 AND b.scope = $2::types.memory_scope AND b.owner = $3 AND b.label = $4`
export const LOCK_BLOCK = `${GET_BLOCK} FOR UPDATE`

/** Nothing when there is one. $5 id, $6 content, $7 limit, $8 description. */
export const INSERT_BLOCK = `
  INSERT INTO memory.blocks AS b (tenant_id, scope, owner, label, block_id, content, limit_chars, description) VALUES ($1, $2::types.memory_scope, $3, $4, $5, $6, $7, $8)
  ON CONFLICT (tenant_id, scope, owner, label) DO NOTHING RETURNING ${COLUMNS}`

/** $1 tenant, $2 id, $3 content, $4 limit, $5 description. */
export const CHANGE_BLOCK = `
  UPDATE memory.blocks b SET version = b.version + 1, content = $3, limit_chars = $4, description = $5 WHERE b.tenant_id = $1 AND b.block_id = $2 RETURNING ${COLUMNS}`

export const DELETE_BLOCK = `DELETE FROM memory.blocks b WHERE b.tenant_id = $1 AND b.scope = $2::types.memory_scope AND b.owner = $3 AND b.label = $4`

/** $1 tenant, $2 scope or NULL, $3 owner or NULL, $4 to $6 the last one seen (scope, owner, label) or NULL, $7 limit. */
export const LIST_BLOCKS = `
  SELECT b.owner, ${COLUMNS} FROM memory.blocks b
  WHERE b.tenant_id = $1 AND ($2::types.memory_scope IS NULL OR b.scope = $2::types.memory_scope) AND ($3::text IS NULL OR b.owner = $3)
    AND ($4::types.memory_scope IS NULL OR (b.scope, b.owner, b.label) > ($4::types.memory_scope, $5::text, $6::text))
  ORDER BY b.scope, b.owner, b.label LIMIT $7`

/** $1 tenant, $2 block, $3 versions below this or NULL, $4 limit. Newest first. */
export const LIST_BLOCK_VERSIONS = `
  SELECT v.version, v.content, v.limit_chars AS "limit", v.valid_from AS "validFrom", v.replaced_at AS "replacedAt", v.replaced_by AS "replacedBy"
  FROM memory.block_versions v WHERE v.tenant_id = $1 AND v.block_id = $2 AND ($3::bigint IS NULL OR v.version < $3) ORDER BY v.version DESC LIMIT $4`
