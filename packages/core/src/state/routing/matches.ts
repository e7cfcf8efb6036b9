import type { StorageSearchOptions, StoredItem } from './data-storage.ts'

/** `value @> pattern` of PostgreSQL's jsonb, for JSON values. */
export function contains(value: unknown, pattern: unknown, top = true): boolean {
  if (Array.isArray(pattern)) return Array.isArray(value) && pattern.every((wanted) => value.some((each) => contains(each, wanted, false)))
  if (typeof pattern === 'object' && pattern !== null) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
    return Object.entries(pattern).every(([name, wanted]) => Object.hasOwn(value, name) && contains((value as Record<string, unknown>)[name], wanted, false))
  }
  // A scalar is contained in an array of scalars, at the top only.
  return value === pattern || (top && Array.isArray(value) && value.includes(pattern))
}

export function matches(item: StoredItem, { prefix, where, updatedAfter, updatedBefore }: StorageSearchOptions): boolean {
  return (
    item.key.startsWith(prefix ?? '') &&
    (where === undefined || contains(item.value, where)) &&
    (updatedAfter === undefined || item.updatedAt > updatedAfter) &&
    (updatedBefore === undefined || item.updatedAt < updatedBefore)
  )
}
