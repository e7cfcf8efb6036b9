import type { KnownContent } from './content-cache.ts'
import type { Lineage } from './lineage-id.ts'
import type { LineageCheckpoint } from './lineage-types.ts'
import type { SpaceContext } from './space-context.ts'

/**
 * Loads checkpoints of one lineage, newest first. Reading one brings the contents of those it is built on, so that a
 * run of them costs two statements, not one each.
 */
export async function loadMany(space: SpaceContext, lineage: Lineage, ids: readonly string[]): Promise<(LineageCheckpoint | undefined)[]> {
  const contents = new Map<string, KnownContent | undefined>(ids.map((id) => [id, space.core.cache.get(space.cacheKey(lineage), id)]))
  const loaded = new Map<string, LineageCheckpoint | undefined>()
  for (const id of ids) {
    if (contents.get(id) !== undefined) continue
    const stored = await space.read(lineage, id, undefined)
    loaded.set(id, stored && space.checkpoint(lineage, stored, space.content(lineage, stored, undefined, contents)))
  }
  await Promise.all(
    ids.map(async (id) => {
      if (loaded.has(id)) return
      const known = contents.get(id)
      const stored = await space.read(lineage, id, known)
      loaded.set(id, stored && space.checkpoint(lineage, stored, space.content(lineage, stored, known)))
    }),
  )
  return ids.map((id) => loaded.get(id))
}
