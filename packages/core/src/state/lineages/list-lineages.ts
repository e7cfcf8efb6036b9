import { CairnError } from '../../errors/index.ts'
import { type Page, decodeCursor, encodeCursor, pageLimit } from '../../paging/index.ts'
import { type Lineage, checkPart, lineageOf } from './lineage-id.ts'
import { LIST_ALL, LIST_LINEAGE } from './lineage-queries.ts'
import type { LineageCheckpoint, LineageListOptions } from './lineage-types.ts'
import { loadMany } from './load-many.ts'
import type { SpaceContext } from './space-context.ts'

const LIST = 'lineages'

interface Listed {
  lineage: string
  thread: string
  path: string
  id: string
}

export async function listCheckpoints(space: SpaceContext, options: LineageListOptions): Promise<Page<LineageCheckpoint>> {
  const limit = pageLimit(options)
  const after = decodeCursor(LIST, options.cursor, 2)
  const { thread, path, id, before } = options
  if (thread !== undefined) checkPart('thread', thread)
  if (path !== undefined) checkPart('path', path, true)
  const shared = [id ?? null, before ?? null, after?.[0] ?? null, after?.[1] ?? null, filterText(options.filter), limit + 1]
  const identity = space.core.identity(space.tenant)
  const { rows } =
    thread !== undefined && path !== undefined
      ? await space.core.sql.query<Listed>(identity, LIST_LINEAGE, [space.tenant, lineageOf(space.namespace, thread, path).id, ...shared], { name: 'lineages_list' })
      : await space.core.sql.query<Listed>(identity, LIST_ALL, [space.tenant, space.namespace, ...shared, thread ?? null, path ?? null])
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  const items = (await load(space, shown)).filter((item) => item !== undefined)
  return { items, nextCursor: rows.length > limit && last !== undefined ? encodeCursor(LIST, [last.id, last.lineage]) : null }
}

async function load(space: SpaceContext, rows: readonly Listed[]): Promise<(LineageCheckpoint | undefined)[]> {
  const lineages = new Map<string, { lineage: Lineage; ids: string[] }>()
  for (const { lineage: lineageId, thread, path, id } of rows) {
    const known = lineages.get(lineageId)
    if (known === undefined) lineages.set(lineageId, { lineage: { id: lineageId, namespace: space.namespace, thread, path }, ids: [id] })
    else known.ids.push(id)
  }
  const loaded = new Map<string, LineageCheckpoint | undefined>()
  await Promise.all(
    [...lineages.values()].map(async ({ lineage, ids }) => {
      for (const [index, checkpoint] of (await loadMany(space, lineage, ids)).entries()) loaded.set(`${lineage.id}\n${ids[index] as string}`, checkpoint)
    }),
  )
  return rows.map(({ lineage, id }) => loaded.get(`${lineage}\n${id}`))
}

function filterText(filter: LineageListOptions['filter']): string {
  try {
    return JSON.stringify(filter ?? {})
  } catch (error) {
    throw new CairnError('INVALID_ARGUMENT', `filter: it cannot be written as JSON: ${(error as Error).message}`, { cause: error, details: { field: 'filter' } })
  }
}
