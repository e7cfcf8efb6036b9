import { decodeCursor, pageLimit, toPage, type Page } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { append, replaceLast, rewrite, type ReplaceLast } from './change.ts'
import { planEdit, planItems, type Stored } from './edit.ts'
import { noHistory } from './failures.ts'
import { DELETE_EXPIRED, DELETE_HISTORY, FORGET_OPERATIONS, LIST_HISTORIES, LIST_ITEMS, LOCK_HISTORY, SELECT_HISTORY, SELECT_NEWEST } from './histories-queries.ts'
import { checkCount, checkName, checkNamespace, checkOperation, checkStorable, checkWhole, digestOf, invalid, itemsJson } from './input.ts'
import { toHistory, toItem, type HistoryRow, type ItemRow } from './rows.ts'
import type { AppendOptions, ChangeOptions, ClearOptions, History, HistoryChange, HistoryItem, HistoryName, HistoryRewrite, ListHistoriesOptions, ListHistoryItemsOptions, ReplaceSuffixInput, RewriteOptions } from './types.ts'

const YEARS_100_MS = 3_155_760_000_000

/**
 * Histories: the ordered items of a session, any JSON, one row each, so that what a change costs follows what is new.
 * A history is made by its first append. Changes are atomic, and safe from any number of writers and processes: none is
 * lost or doubled, and readers see them in one order.
 *
 * Items are compared and kept as JSON: properties that are undefined are left out, keys come back sorted.
 * Every method throws INVALID_ARGUMENT for malformed input, SERIALIZATION_ERROR for what is not JSON, PAYLOAD_TOO_LARGE
 * for an item above 16 MiB or a change above 64 MiB or 10,000 items, DUPLICATE_KEY for an operationId that was applied
 * with another change, and the engine's errors. Histories of another tenant do not exist.
 */
export class HistoriesService {
  readonly #context: DomainContext

  constructor(context: DomainContext) {
    this.#context = context
  }

  /** Adds items at the end, next to each other and in their order. One round trip. */
  async append(history: HistoryName, items: readonly unknown[], options: AppendOptions = {}): Promise<HistoryChange> {
    const json = itemsJson('items', items)
    return append(this.#context, { name: checkName(history), operation: operation(options, 'append', json), items: json, ttlMs: ttlOf(options) })
  }

  /** The newest `limit` items in the order they were added; all without a limit. Empty when there is no such history. One round trip. */
  async newest<Item = unknown>(history: HistoryName, limit?: number): Promise<Item[]> {
    const name = checkName(history)
    const count = limit === undefined ? null : checkWhole('limit', limit, 0)
    const { sql, identity } = this.#context
    const { rows } = await sql.query<Stored>(identity, SELECT_NEWEST, [identity.tenant, ...name, count], { name: 'histories.newest' })
    return rows.reverse().map(({ item }) => item as Item)
  }

  /** A page of items, by position. Pages are stable while others append. @throws NOT_FOUND, INVALID_CURSOR */
  async items(history: HistoryName, options: ListHistoryItemsOptions = {}): Promise<Page<HistoryItem>> {
    const name = checkName(history)
    const order = options.order ?? 'asc'
    if (order !== 'asc' && order !== 'desc') throw invalid('order', `${JSON.stringify(order)} is neither "asc" nor "desc"`)
    const limit = pageLimit(options)
    const list = `history items/${order}/${JSON.stringify(name)}`
    const shown = decodeCursor(list, options.cursor, 1)?.[0]
    const position = shown === undefined ? undefined : checkWhole('cursor', shown, 0)
    const after = Math.max(options.after === undefined ? 0 : checkWhole('after', options.after, 0), order === 'asc' ? (position ?? 0) : 0)
    const before = order === 'desc' ? (position ?? Number.MAX_SAFE_INTEGER) : Number.MAX_SAFE_INTEGER
    const { sql, identity } = this.#context
    const { rows } = await sql.query<ItemRow>(identity, LIST_ITEMS[order], [identity.tenant, ...name, after, before, limit + 1], { name: `histories.items.${order}` })
    if (rows.length === 0) throw noHistory(name)
    const items = rows.flatMap((row) => (row.seq === null ? [] : [toItem({ ...row, seq: row.seq })]))
    return toPage(list, items, limit, (item) => [item.seq])
  }

  /** Takes the last item away and returns it; undefined when there is none. With an operationId, a repeated call returns the same item. One round trip. */
  async pop(history: HistoryName, options: ChangeOptions = {}): Promise<{ seq: number; item: unknown } | undefined> {
    const { entry } = await replaceLast(this.#context, {
      name: checkName(history), operation: operation(options, 'pop'), drop: 1, expected: null, items: '[]', forgetOperations: false, returnLast: true, ttlMs: null,
    })
    return entry ?? undefined
  }

  /** Takes all items away. The history stays, and remembers the operations applied unless told to forget them. */
  async clear(history: HistoryName, options: ClearOptions = {}): Promise<HistoryChange> {
    return this.#replace(history, { drop: null, expected: null, items: '[]', operation: operation(options, 'clear'), forgetOperations: options.forgetOperations ?? false, ttlMs: null })
  }

  /**
   * Replaces the last items when they are those expected, in one step and one round trip.
   * @throws VERSION_CONFLICT without any change when they are not; `details.found` has what the history ends in
   */
  async replaceSuffix(history: HistoryName, input: ReplaceSuffixInput, options: AppendOptions = {}): Promise<HistoryChange> {
    const expected = itemsJson('expected', input.expected)
    const items = itemsJson('replacement', input.replacement)
    const id = operation(options, 'replaceSuffix', expected, items)
    return this.#replace(history, { drop: input.expected.length, expected, items, operation: id, forgetOperations: false, ttlMs: ttlOf(options) })
  }

  /** Puts these items in the place of all there are, in one step: no reader sees the history empty in between. */
  async replaceAll(history: HistoryName, items: readonly unknown[], options: AppendOptions = {}): Promise<HistoryChange> {
    const json = itemsJson('items', items)
    return this.#replace(history, { drop: null, expected: null, items: json, operation: operation(options, 'replaceAll', json), forgetOperations: false, ttlMs: ttlOf(options) })
  }

  /**
   * Sets items at positions, or takes them away; the others are not written. All or none, in one round trip.
   * @throws NOT_FOUND; VERSION_CONFLICT when a position is gone or the revision is not `ifRevision`
   */
  async rewrite(history: HistoryName, changes: readonly HistoryRewrite[], options: RewriteOptions = {}): Promise<HistoryChange> {
    const name = checkName(history)
    const { set, values, remove } = rewriteParts(changes)
    const items = itemsJson('changes', values)
    const ifRevision = options.ifRevision === undefined ? null : checkWhole('ifRevision', options.ifRevision, 0)
    const id = operation(options, 'rewrite', JSON.stringify(set), items, JSON.stringify(remove))
    const result = await rewrite(this.#context, { name, operation: id, set, items, remove, append: '[]', ifRevision })
    if (result === undefined) throw noHistory(name)
    return result
  }

  /**
   * Makes the items what `change` returns for them, in one transaction that keeps other writers out. Only what differs is
   * written. `change` must be quick and must not use Cairn. Returns null when there is no such history.
   */
  async edit(history: HistoryName, change: (items: unknown[]) => readonly unknown[]): Promise<HistoryChange | null> {
    const name = checkName(history)
    const { sql, identity } = this.#context
    return sql.transaction(identity, async (session) => {
      const found = (await session.query(LOCK_HISTORY, [identity.tenant, ...name])).rows.length > 0
      if (!found) return null
      const before = (await session.query<Stored>(SELECT_NEWEST, [identity.tenant, ...name, null])).rows.reverse()
      const plan = planEdit(before, change(structuredClone(before.map(({ item }) => item))))
      return (await rewrite(this.#context, { name, operation: operation({}, 'edit'), ...plan, ...planItems(plan), ifRevision: null }, session)) ?? null
    })
  }

  /** @throws NOT_FOUND */
  async get(history: HistoryName): Promise<History> {
    const found = await this.find(history)
    if (found === null) throw noHistory(checkName(history))
    return found
  }

  /** The history without its items, or null. */
  async find(history: HistoryName): Promise<History | null> {
    const { sql, identity } = this.#context
    const { rows } = await sql.query<HistoryRow>(identity, SELECT_HISTORY, [identity.tenant, ...checkName(history)])
    return rows[0] === undefined ? null : toHistory(rows[0])
  }

  /** Histories by namespace and key. @throws INVALID_CURSOR */
  async list(options: ListHistoriesOptions = {}): Promise<Page<History>> {
    const namespace = checkNamespace(options.namespace) ?? null
    const prefix = checkStorable('prefix', options.prefix ?? '')
    const limit = pageLimit(options)
    const [shownNamespace = null, shownKey = null] = decodeCursor('histories', options.cursor, 2)?.map(String) ?? []
    const { sql, identity } = this.#context
    const { rows } = await sql.query<HistoryRow>(identity, LIST_HISTORIES, [identity.tenant, namespace, prefix, shownNamespace, shownKey, limit + 1])
    return toPage('histories', rows.map(toHistory), limit, (item) => [item.namespace, item.key])
  }

  /** Deletes a history with all its items; false when there is none. */
  async delete(history: HistoryName): Promise<boolean> {
    const { sql, identity } = this.#context
    const { rows } = await sql.query<{ live: boolean }>(identity, DELETE_HISTORY, [identity.tenant, ...checkName(history)])
    return rows[0]?.live ?? false
  }

  /** Deletes the tenant's histories whose time to live is over, which nobody sees any more. Returns how many. */
  async deleteExpired(): Promise<number> {
    const { sql, identity } = this.#context
    return (await sql.query(identity, DELETE_EXPIRED, [identity.tenant, null, null])).rowCount
  }

  /** Forgets operations applied longer ago than `olderThanMs`: a repetition of one would be applied again. Returns how many. */
  async forgetOperations(history: HistoryName, options: { readonly olderThanMs: number }): Promise<number> {
    const age = checkWhole('olderThanMs', options?.olderThanMs, 0, YEARS_100_MS)
    const { sql, identity } = this.#context
    return (await sql.query(identity, FORGET_OPERATIONS, [identity.tenant, ...checkName(history), age])).rowCount
  }

  async #replace(history: HistoryName, change: Omit<ReplaceLast, 'name' | 'returnLast'>): Promise<HistoryChange> {
    const { applied, revision, itemCount } = await replaceLast(this.#context, { ...change, name: checkName(history), returnLast: false })
    return { applied, revision, itemCount }
  }
}

function ttlOf({ ttlMs }: AppendOptions): number | null {
  return ttlMs === undefined ? null : checkWhole('ttlMs', ttlMs, 1, YEARS_100_MS)
}

function operation({ operationId }: ChangeOptions, kind: string, ...parts: readonly string[]): { id: string | null; digest: Uint8Array | null } {
  const id = checkOperation(operationId)
  return { id, digest: id === null ? null : digestOf(kind, ...parts) }
}

function rewriteParts(changes: readonly HistoryRewrite[]): { set: number[]; values: unknown[]; remove: number[] } {
  checkCount('changes', changes)
  const seen = new Set<number>()
  const parts = { set: [] as number[], values: [] as unknown[], remove: [] as number[] }
  for (const [index, change] of changes.entries()) {
    const seq = checkWhole(`changes[${index}].seq`, change?.seq, 1)
    if (seen.has(seq)) throw invalid(`changes[${index}].seq`, `${seq} stands twice`)
    seen.add(seq)
    if ('remove' in change) parts.remove.push(seq)
    else {
      parts.set.push(seq)
      parts.values.push(change.item)
    }
  }
  return parts
}
