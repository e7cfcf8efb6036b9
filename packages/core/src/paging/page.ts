import { CairnError } from '../errors/index.ts'

/** One page of a list. Pass `nextCursor` back as `cursor` for the next one; null means this was the last. */
export interface Page<T> {
  readonly items: T[]
  readonly nextCursor: string | null
}

export interface PageOptions {
  /** Items a page, 1..1000. @default 100 */
  readonly limit?: number
  /** `nextCursor` of the page before. */
  readonly cursor?: string
}

export const DEFAULT_PAGE_LIMIT = 100
export const MAX_PAGE_LIMIT = 1000

/** The limit to use; INVALID_ARGUMENT unless it is a whole number in 1..1000. */
export function pageLimit(options: PageOptions | undefined): number {
  const limit = options?.limit ?? DEFAULT_PAGE_LIMIT
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE_LIMIT) {
    throw new CairnError('INVALID_ARGUMENT', `limit: ${String(limit)} is not a whole number from 1 to ${MAX_PAGE_LIMIT}.`, { details: { field: 'limit' } })
  }
  return limit
}

/** An opaque cursor from the sort key of the last item shown. `list` names the list, so that a cursor of another is refused. */
export function encodeCursor(list: string, sortKey: readonly (string | number | null)[]): string {
  return Buffer.from(JSON.stringify([list, ...sortKey])).toString('base64url')
}

/** The sort key in `cursor`, or undefined without one. INVALID_CURSOR when another list made it or it has not `length` parts. */
export function decodeCursor(list: string, cursor: string | undefined, length: number): (string | number | null)[] | undefined {
  if (cursor === undefined) return undefined
  try {
    const [name, ...key] = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as [string, ...(string | number | null)[]]
    if (name === list && key.length === length) return key
  } catch {
    // Falls through: the text was not made by encodeCursor.
  }
  throw new CairnError('INVALID_CURSOR', `cursor: this is not a cursor of the list "${list}". Start again without a cursor.`, { details: { list } })
}

/** Cuts `rows` (fetched with limit + 1) to a page; `sortKey` gives the cursor of an item. */
export function toPage<T>(list: string, rows: T[], limit: number, sortKey: (item: T) => readonly (string | number | null)[]): Page<T> {
  if (rows.length <= limit) return { items: rows, nextCursor: null }
  const items = rows.slice(0, limit)
  return { items, nextCursor: encodeCursor(list, sortKey(items[limit - 1] as T)) }
}
