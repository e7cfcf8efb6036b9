import type { KvKey } from '../../engines/kv/index.ts'

/** Whose entry it is, and of which lineages. */
export interface JournalKey {
  readonly writer: string
  readonly tenant: string
  /** What the ids of its lineages begin with: see `binOf`. */
  readonly bins: readonly string[]
}

const BIN_LENGTH = 6
const GROUP = 'group'
const STORED = 'stored'

/** Lineages that an entry may hold: the bins of all are in its key, which has room for 255 characters. */
export const MOST_BINS = 40

/** Lineages are told apart by so much of their ids, so that the key of an entry can name many. A chance meeting costs time, nothing else. */
export function binOf(lineageId: string): string {
  return lineageId.slice(0, BIN_LENGTH)
}

/** Of an entry of one lineage, or (`bins`) of several. */
export function entryKey(writer: string, tenant: string, lineageId: string, count: string, bins: readonly string[]): KvKey {
  return bins.length === 1 ? [writer, tenant, lineageId, count] : [writer, tenant, GROUP, `${count}_${bins.join('')}`]
}

/** Where a writer says that it writes, and how far SQL has its entries, as `<revision> <milliseconds of the epoch>`. */
export function markKey(writer: string): KvKey {
  return [writer, STORED]
}

export const MARKS: KvKey = ['*', STORED]

export function entriesOf(writer: string): KvKey {
  return [writer, '>']
}

/** The writer whose mark it is; undefined for any other key. */
export function parseMarkKey(key: KvKey): string | undefined {
  return key.length === 2 && key[1] === STORED ? key[0] : undefined
}

/** undefined for what is no entry. Releases before 0.20 named the lineage first: such entries may be left of a stopped process. */
export function parseEntryKey(key: KvKey): JournalKey | undefined {
  const [first = '', second = '', third = '', fourth = ''] = key
  if (key.length === 4) return { writer: first, tenant: second, bins: third === GROUP ? groupBins(fourth) : [binOf(third)] }
  return key.length === 3 ? { writer: third.split('.')[0] as string, tenant: first, bins: [binOf(second)] } : undefined
}

function groupBins(name: string): string[] {
  return name.slice(name.indexOf('_') + 1).match(/.{6}/g) ?? []
}
