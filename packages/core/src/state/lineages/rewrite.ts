import { uuidv7 } from '../../ids/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import type { LineageContent } from './content.ts'
import { encodeFrame } from './frame.ts'
import type { Lineage } from './lineage-id.ts'
import { DELETE_CHECKPOINTS, LOCK_CHECKPOINTS, MAKE_WHOLE, REPLACE_CONTENT, SELECT_BUILT_ON } from './lineage-queries.ts'
import { readBatch } from './read-batch.ts'
import type { SpaceContext } from './space-context.ts'

const ATTEMPTS = 5

/**
 * Removes checkpoints and their writes. Those that stay and are built on them are stored whole first, in the same
 * transaction: they load bit for bit as before, and a writer that was about to build on one that goes, builds anew.
 */
export async function removeCheckpoints(space: SpaceContext, lineage: Lineage, session: SqlSession, ids: readonly string[]): Promise<number> {
  if (ids.length === 0) return 0
  const rewritten = await release(space, lineage, session, ids)
  await session.query(DELETE_CHECKPOINTS, [space.tenant, lineage.id, ids])
  return rewritten
}

/** Puts other content under an id that exists, without a change to what was built on the old one. */
export async function replaceContent(space: SpaceContext, lineage: Lineage, id: string, content: LineageContent, metadata: string): Promise<void> {
  const frame = space.sealer.seal(encodeFrame(content), space.place(lineage, id, 'frame'))
  await inTransaction(space, async (session) => {
    await release(space, lineage, session, [id])
    await session.query(REPLACE_CONTENT, [space.tenant, lineage.id, id, Buffer.from(frame), uuidv7(), metadata])
  })
}

export function inTransaction<T>(space: SpaceContext, run: (session: SqlSession) => Promise<T>): Promise<T> {
  return space.core.sql.transaction(space.core.identity(space.tenant), run, { attempts: ATTEMPTS })
}

/** Locks checkpoints, so that nobody builds on them any more, and stores whole what is built on them. */
async function release(space: SpaceContext, lineage: Lineage, session: SqlSession, ids: readonly string[]): Promise<number> {
  await session.query(LOCK_CHECKPOINTS, [space.tenant, lineage.id, ids])
  const { rows } = await session.query<{ id: string }>(SELECT_BUILT_ON, [space.tenant, lineage.id, ids])
  for (const { id } of rows) {
    const [stored] = await readBatch(session, space.tenant, [{ lineageId: lineage.id, id, known: undefined, expired: true }])
    if (stored === undefined) continue
    const { content } = space.content(lineage, stored, undefined)
    const frame = space.sealer.seal(encodeFrame(content), space.place(lineage, id, 'frame'))
    await session.query(MAKE_WHOLE, [space.tenant, lineage.id, id, Buffer.from(frame), stored.frameId])
  }
  return rows.length
}
