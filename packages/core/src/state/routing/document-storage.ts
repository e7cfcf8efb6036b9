import { CairnError } from '../../errors/index.ts'
import type { SqlEngine } from '../../engines/sql/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import { type Page, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import { canonicalJson } from '../canonical-json.ts'
import { checkStateKey } from '../state-key.ts'
import type { DataStorage, StorageSearchOptions, StoreOptions, StoredItem } from './data-storage.ts'
import { FIND_DOCUMENT, REMOVE_DOCUMENT, SEARCH_DOCUMENTS, STORE_DOCUMENT } from './routing-queries.ts'
import { conflict, missing } from './strict.ts'

type Row<T> = Omit<StoredItem<T>, 'expiresAt'>

/** Knowledge: JSON documents in SQL, found by key and by what they contain. Committed when acknowledged. */
export class DocumentStorage<T = unknown> implements DataStorage<T> {
  readonly type = 'knowledge'
  readonly layers = ['relational_db'] as const
  readonly #sql: SqlEngine
  readonly #identity: TenantIdentity

  constructor(sql: SqlEngine, identity: TenantIdentity) {
    this.#sql = sql
    this.#identity = identity
  }

  /** VERSION_CONFLICT, SERIALIZATION_ERROR; INVALID_ARGUMENT for a `ttlMs`: documents stay until they are removed. */
  async store(key: string, value: T, { ifVersion, ttlMs }: StoreOptions = {}): Promise<{ version: number }> {
    checkStateKey(key)
    if (ttlMs !== undefined) throw new CairnError('INVALID_ARGUMENT', 'ttlMs: knowledge has no time to live; remove the document when it is over.', { details: { field: 'ttlMs' } })
    if (ifVersion !== undefined && (!Number.isSafeInteger(ifVersion) || ifVersion < 0)) throw new CairnError('INVALID_ARGUMENT', `ifVersion: ${String(ifVersion)} is not a version.`, { details: { field: 'ifVersion' } })
    const { tenant } = this.#identity
    const { rows } = await this.#sql.query<{ version: number }>(this.#identity, STORE_DOCUMENT, [tenant, key, canonicalJson(value), ifVersion ?? null])
    if (rows[0] !== undefined) return rows[0]
    throw conflict('knowledge', key, ifVersion ?? 0, (await this.retrieve(key))?.version ?? 0)
  }

  async retrieve(key: string, { strict = false }: { strict?: boolean } = {}): Promise<StoredItem<T> | undefined> {
    checkStateKey(key)
    const { rows } = await this.#sql.query<Row<T>>(this.#identity, FIND_DOCUMENT, [this.#identity.tenant, key], { name: 'find_document' })
    if (rows[0] !== undefined) return { ...rows[0], expiresAt: null }
    if (strict) throw missing('knowledge', key)
    return undefined
  }

  async remove(key: string): Promise<boolean> {
    checkStateKey(key)
    return (await this.#sql.query(this.#identity, REMOVE_DOCUMENT, [this.#identity.tenant, key])).rowCount > 0
  }

  async search(options: StorageSearchOptions = {}): Promise<Page<StoredItem<T>>> {
    const limit = pageLimit(options)
    const after = decodeCursor('knowledge', options.cursor, 1)?.[0] ?? null
    const where = options.where === undefined ? null : canonicalJson(options.where)
    const values = [this.#identity.tenant, after, options.prefix ?? '', where, options.updatedAfter ?? null, options.updatedBefore ?? null, limit + 1]
    const { rows } = await this.#sql.query<Row<T>>(this.#identity, SEARCH_DOCUMENTS, values)
    return toPage('knowledge', rows.map((row) => ({ ...row, expiresAt: null })), limit, ({ key }) => [key])
  }
}
