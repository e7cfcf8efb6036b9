import type { SqlSession } from '../../engines/sql/index.ts'
import { CairnError } from '../../errors/index.ts'
import { type Lineage, checkPart, invalid, lineageOf } from './lineage-id.ts'
import { COPY_CHECKPOINTS, COPY_WRITES, INSERT_THREAD, SELECT_ALL_PACKS, SELECT_FRAMES, SELECT_LINEAGES, SET_FRAME, SET_PACK } from './lineage-queries.ts'
import { inTransaction } from './rewrite.ts'
import type { SpaceContext } from './space-context.ts'

/** All paths, checkpoints and writes of a thread under another name, which must be free. In one transaction. */
export async function copyThread(space: SpaceContext, from: string, to: string): Promise<void> {
  checkPart('thread', from)
  checkPart('thread', to)
  if (from === to) throw invalid('thread', 'a thread cannot be copied onto itself.')
  await inTransaction(space, async (session) => {
    const { rows } = await session.query<{ lineage: string; thread: string; path: string }>(SELECT_LINEAGES, [space.tenant, space.namespace, [from, to]])
    if (rows.some(({ thread }) => thread === to)) throw new CairnError('DUPLICATE_KEY', `Thread ${to} exists already. Copy to another name, or delete it first.`, { details: { thread: to } })
    if (rows.length === 0) throw new CairnError('NOT_FOUND', `Thread ${from} does not exist in namespace ${space.namespace}.`, { details: { thread: from } })
    for (const { lineage: id, path } of rows) {
      const target = lineageOf(space.namespace, to, path)
      const { rowCount } = await session.query(INSERT_THREAD, [space.tenant, target.id, space.namespace, to, path])
      if (rowCount === 0) throw new CairnError('DUPLICATE_KEY', `Thread ${to} was made by somebody else in this moment.`, { details: { thread: to } })
      await session.query(COPY_CHECKPOINTS, [space.tenant, id, target.id])
      await session.query(COPY_WRITES, [space.tenant, id, target.id])
      await reseal(space, session, { id, namespace: space.namespace, thread: from, path }, target)
    }
  })
}

/** Sealed payloads are bound to their place. Without keys this only finds out that there are none. */
async function reseal(space: SpaceContext, session: SqlSession, source: Lineage, target: Lineage): Promise<void> {
  const { sealer, tenant } = space
  const frames = await session.query<{ id: string; bytes: Uint8Array }>(SELECT_FRAMES, [tenant, target.id, sealer.encrypts])
  for (const { id, bytes } of frames.rows) {
    const payload = sealer.open(bytes, space.place(source, id, 'frame'))
    await session.query(SET_FRAME, [tenant, target.id, id, Buffer.from(sealer.seal(payload, space.place(target, id, 'frame')))])
  }
  const packs = await session.query<{ id: string; taskId: string; slot: number; bytes: Uint8Array }>(SELECT_ALL_PACKS, [tenant, target.id, sealer.encrypts])
  for (const { id, taskId, slot, bytes } of packs.rows) {
    const payload = sealer.open(bytes, space.place(source, id, 'writes', taskId, slot))
    await session.query(SET_PACK, [tenant, target.id, id, taskId, slot, Buffer.from(sealer.seal(payload, space.place(target, id, 'writes', taskId, slot)))])
  }
}
