import { CairnError } from '../../errors/index.ts'
import { type Page, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import { checkPart } from './lineage-id.ts'
import { SELECT_HEADERS, SELECT_LINEAGES, SELECT_THREADS } from './lineage-queries.ts'
import type { LineageHeader, LineageHeaderListOptions, LineageThread, LineageThreadListOptions } from './lineage-types.ts'
import type { SpaceContext } from './space-context.ts'

const THREADS = 'lineage threads'
const HEADERS = 'lineage checkpoints'
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/

export async function listThreads(space: SpaceContext, options: LineageThreadListOptions): Promise<Page<LineageThread>> {
  const limit = pageLimit(options)
  const [after] = decodeCursor(THREADS, options.cursor, 1) ?? []
  const { prefix = '' } = options
  checkPart('thread', prefix, true)
  const values = [space.tenant, space.namespace, after ?? null, prefix, limit + 1]
  const { rows } = await space.core.sql.query<LineageThread>(space.core.identity(space.tenant), SELECT_THREADS, values)
  return toPage(THREADS, rows, limit, ({ thread }) => [thread])
}

/** NOT_FOUND for a thread that does not exist. */
export async function listHeaders(space: SpaceContext, options: LineageHeaderListOptions): Promise<Page<LineageHeader>> {
  const limit = pageLimit(options)
  const [id, lineage] = decodeCursor(HEADERS, options.cursor, 2) ?? []
  if (lineage !== undefined && !UUID.test(String(lineage))) throw new CairnError('INVALID_CURSOR', `cursor: this is not a cursor of the list "${HEADERS}". Start again without a cursor.`, { details: { list: HEADERS } })
  const { path } = options
  const thread = checkPart('thread', options.thread)
  if (path !== undefined) checkPart('path', path, true)
  const identity = space.core.identity(space.tenant)
  const values = [space.tenant, space.namespace, thread, path ?? null, id ?? null, lineage ?? null, limit + 1]
  const { rows } = await space.core.sql.query<LineageHeader & { lineage: string }>(identity, SELECT_HEADERS, values)
  if (rows.length === 0 && (await space.core.sql.query(identity, SELECT_LINEAGES, [space.tenant, space.namespace, [thread]])).rowCount === 0) {
    throw new CairnError('NOT_FOUND', `Thread ${thread} does not exist in namespace ${space.namespace}.`, { details: { thread } })
  }
  const { items, nextCursor } = toPage(HEADERS, rows, limit, (row) => [row.id, row.lineage])
  return { items: items.map(({ lineage: _lineage, ...header }) => header), nextCursor }
}
