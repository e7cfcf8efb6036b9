import type { KvKey } from '../../engines/kv/index.ts'

/** Whose entry it is, and of which lineage. */
export interface JournalKey {
  readonly writer: string
  readonly tenant: string
  readonly lineageId: string
}

export function entryKey(writer: string, tenant: string, lineageId: string, name: string): KvKey {
  return [writer, tenant, lineageId, name]
}

/** Where a writer says how far SQL has its entries, as `<revision> <milliseconds of the epoch>`. */
export function markKey(writer: string): KvKey {
  return [writer, 'stored']
}

/** undefined for what is no entry. Releases before 0.20 named the lineage first: such entries may be left of a stopped process. */
export function parseEntryKey(key: KvKey): JournalKey | undefined {
  const [first = '', second = '', third = ''] = key
  if (key.length === 4) return { writer: first, tenant: second, lineageId: third }
  return key.length === 3 ? { writer: third.split('.')[0] as string, tenant: first, lineageId: second } : undefined
}
