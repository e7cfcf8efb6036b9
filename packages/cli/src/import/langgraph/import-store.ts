import { isDeepStrictEqual } from 'node:util'
import { type Cairn, CairnError, type PutDocument, type StoredDocument, isCairnError } from '@cairn/core'
import type { ImportMode } from './import-threads.ts'
import type { OfficialItem, OfficialTables } from './official-tables.ts'
import type { ImportReport } from './report.ts'

const PAGE = 500
/** Two ends of life nearer than this are the same: each side counts from its own clock. */
const SAME_END_MS = 5_000

export interface StoreImport {
  readonly source: OfficialTables
  readonly documents: Cairn['documents']
  /** Where CairnStore looks: its `namespace`. */
  readonly collection: string
  readonly report: ImportReport
  readonly mode: ImportMode
  readonly signal: AbortSignal
  readonly onProgress: () => void
}

interface Item {
  readonly document: PutDocument
  readonly official: OfficialItem
}

/** Carries the items of PostgresStore over. Of two values of one item the later stays. Vectors are not read: CairnStore embeds anew. */
export async function importStore(run: StoreImport): Promise<void> {
  const { source, report, signal, onProgress } = run
  for await (const page of source.items(PAGE)) {
    if (signal.aborted) return
    report.items.found += page.length
    const items: Item[] = []
    for (const official of page) {
      try {
        items.push({ document: documentOf(official), official })
      } catch (error) {
        fail(run, official, error)
      }
    }
    await importPage(run, items).catch(async (error: unknown) => {
      // Names or values that Cairn refuses: one by one, so that the others are stored.
      if (!isCairnError(error) || !['INVALID_ARGUMENT', 'PAYLOAD_TOO_LARGE', 'SERIALIZATION_ERROR'].includes(error.code)) throw error
      for (const item of items) await importPage(run, [item]).catch((alone: unknown) => fail(run, item.official, alone))
    })
    onProgress()
  }
}

/** Counts only when all of it is done. */
async function importPage({ documents, collection, report, mode, ...run }: StoreImport, items: readonly Item[]): Promise<void> {
  const target = documents.collection(collection)
  const stored = await target.getMany(items.map(({ document: { path = [], key } }) => ({ path, key })))
  const write: PutDocument[] = []
  const unequal: { official: OfficialItem; why: string }[] = []
  let same = 0
  let newerHere = 0
  for (const [index, { document, official }] of items.entries()) {
    const there = stored[index]
    if (there !== null && there !== undefined && isSame(there, document, official)) same++
    else if (mode === 'verify') unequal.push({ official, why: there === null ? 'is not in Cairn' : 'is another in Cairn' })
    else if (there !== null && there !== undefined && there.updatedAt.getTime() >= (official.updatedAt?.getTime() ?? 0)) newerHere++
    else write.push(document)
  }
  if (write.length > 0 && mode === 'import') await target.putMany(write)
  report.items.written += write.length
  report.items.same += same
  report.newerHere += newerHere
  for (const { official, why } of unequal) {
    fail({ documents, collection, report, mode, ...run }, official, new CairnError('CONSISTENCY_VIOLATION', `Item ${official.key} in ${official.path} ${why}.`))
  }
}

function documentOf({ path, key, value, ttlMs }: OfficialItem): PutDocument {
  const parsed: unknown = JSON.parse(value)
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new CairnError('IMPORT_MALFORMED', `Item ${key} in ${path}: its value is not a JSON object.`)
  // PostgresStore joins the labels with colons, and takes them apart there.
  return { path: path.split(':'), key, value: parsed as Record<string, unknown>, ttlMs: ttlMs === null ? null : Math.max(1, ttlMs) }
}

function isSame(there: StoredDocument, { value }: PutDocument, { expiresAt }: OfficialItem): boolean {
  if (!isDeepStrictEqual(there.value, value)) return false
  if (there.expiresAt === null || expiresAt === null) return there.expiresAt === expiresAt
  return Math.abs(there.expiresAt.getTime() - expiresAt.getTime()) < SAME_END_MS
}

function fail({ report }: StoreImport, { path, key }: OfficialItem, error: unknown): void {
  report.fail('items', { namespace: path, key }, error)
}
