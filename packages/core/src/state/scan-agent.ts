import type { SqlResult } from '../engines/sql/index.ts'
import type { StateRow } from './read-path.ts'
import { SELECT_STATE_KEYS, SELECT_STATE_NAMES } from './state-queries.ts'

const PAGE = 1000

type Query = <Row>(text: string, values: readonly unknown[]) => Promise<SqlResult<Row>>

/**
 * The rows of an agent in SQL, deletions included, in pages and in no order; only those that `wanted` asks for by key and version. First
 * the names of all, then the values by name: pages in an order would cost a sort of the whole agent each wherever the planner does
 * not know how many rows it has (PGlite has nobody who counts them). A row that is gone by the time its page is read is left out.
 */
export async function* scanAgent(query: Query, tenant: string, agentId: string, wanted: (key: string, version: number) => boolean = () => true): AsyncGenerator<StateRow[]> {
  const { rows: names } = await query<{ key: string; version: number }>(SELECT_STATE_NAMES, [tenant, agentId])
  const keys = names.filter(({ key, version }) => wanted(key, version)).map(({ key }) => key)
  for (let from = 0; from < keys.length; from += PAGE) yield (await query<StateRow>(SELECT_STATE_KEYS, [tenant, agentId, keys.slice(from, from + PAGE)])).rows
}
