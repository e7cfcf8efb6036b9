import type { SqlSession } from '../../engines/sql/index.ts'
import { CairnError } from '../../errors/index.ts'
import type { TagOptions } from './checkpoint-types.ts'

/** $1 tenant, $2 agent, $3 tag: who has it now. */
const HOLDERS = 'SELECT checkpoint_id AS id, moving FROM agents.checkpoint_tags WHERE tenant_id = $1 AND agent_id = $2 AND tag = $3'
/** $1 tenant, $2 agent, $3 tag, $4 checkpoint that keeps it. */
const TAKE_OFF_OTHERS = 'DELETE FROM agents.checkpoint_tags WHERE tenant_id = $1 AND agent_id = $2 AND tag = $3 AND checkpoint_id <> $4'
/** $1 tenant, $2 agent, $3 tag, $4 checkpoint, $5 moving. */
const ADD = `INSERT INTO agents.checkpoint_tags (tenant_id, agent_id, tag, checkpoint_id, moving) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (checkpoint_id, tag) DO UPDATE SET moving = excluded.moving WHERE checkpoint_tags.tenant_id = excluded.tenant_id`
/** $1 tenant, $2 checkpoint, $3 tag. */
export const REMOVE_TAG = 'DELETE FROM agents.checkpoint_tags WHERE tenant_id = $1 AND checkpoint_id = $2 AND tag = $3'

/** The caller holds the lock of the agent's checkpoints. */
export async function addTag(session: SqlSession, tenant: string, agentId: string, checkpointId: string, tag: string, { moving = false }: TagOptions): Promise<void> {
  const { rows } = await session.query<{ id: string; moving: boolean }>(HOLDERS, [tenant, agentId, tag])
  const holder = rows.find((row) => row.moving && row.id !== checkpointId)
  if (!moving && holder !== undefined) {
    throw new CairnError('DUPLICATE_KEY', `tag: ${JSON.stringify(tag)} is a moving tag of this agent and is on checkpoint ${holder.id}. Move it with \`moving: true\`, or remove it there.`, {
      details: { field: 'tag', checkpointId: holder.id },
    })
  }
  if (moving) await session.query(TAKE_OFF_OTHERS, [tenant, agentId, tag, checkpointId])
  await session.query(ADD, [tenant, agentId, tag, checkpointId, moving])
}

export async function addTags(session: SqlSession, tenant: string, agentId: string, checkpointId: string, tags: readonly string[]): Promise<void> {
  for (const tag of tags) await addTag(session, tenant, agentId, checkpointId, tag, {})
}

/** INVALID_ARGUMENT unless it is 1 to 100 characters of text, without control characters, spaces at the ends and `*`. */
export function checkTag(tag: unknown): asserts tag is string {
  if (typeof tag !== 'string' || tag !== tag.trim() || !/^[^\p{Cc}*]{1,100}$/u.test(tag) || !tag.isWellFormed()) {
    throw new CairnError('INVALID_ARGUMENT', `tag: ${JSON.stringify(tag)} is not a tag. Use 1 to 100 characters without control characters and without *.`, { details: { field: 'tag' } })
  }
}
