import { CairnError } from '../errors/index.ts'
import { type Page, decodeCursor, encodeCursor, pageLimit } from '../paging/index.ts'
import { compareKeys, mergeTiers } from './agent-snapshot.ts'
import type { StateCore } from './state-core.ts'
import { type StateEntry, isLive, toEntry } from './state-entry.ts'
import type { StateListOptions } from './state-service.ts'

const LIST = 'state'

/** One page from both tiers: SQL gives a sorted run of keys, the hot tier overrides it and adds what is not flushed. */
export async function listState<T>(core: StateCore, tenant: string, agentId: string, options: StateListOptions): Promise<Page<StateEntry<T>>> {
  const limit = pageLimit(options)
  const prefix = options.prefix ?? ''
  if (typeof prefix !== 'string' || prefix.includes('\u0000')) throw new CairnError('INVALID_ARGUMENT', 'prefix: it must be text without U+0000.', { details: { field: 'prefix' } })
  let after = decodeCursor(LIST, options.cursor, 1)?.[0] as string | undefined
  const items: StateEntry<T>[] = []
  for (;;) {
    const { merged, lastSqlKey } = await mergeTiers(core, tenant, agentId, prefix, after, limit + 1)
    const keys = [...merged.keys()].sort(compareKeys)
    for (const key of keys) {
      // Beyond SQL's run there may be keys in between that SQL has not shown yet.
      if (lastSqlKey !== undefined && compareKeys(key, lastSqlKey) > 0) break
      const stored = merged.get(key)
      if (stored === undefined || !isLive(stored)) continue
      if (items.length === limit) return { items, nextCursor: encodeCursor(LIST, [(items.at(-1) as StateEntry<T>).key]) }
      items.push(toEntry<T>(key, stored))
    }
    if (lastSqlKey === undefined) return { items, nextCursor: null }
    after = lastSqlKey
  }
}
