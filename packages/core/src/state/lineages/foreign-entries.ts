import type { KvBucket, KvEntry, KvKey } from '../../engines/kv/index.ts'
import { isCairnError } from '../../errors/index.ts'
import type { Logger } from '../../observability/index.ts'
import type { AppendOp, AppendOutcome } from './append-batch.ts'
import { decodeEntry } from './journal-entry.ts'
import { markKey, parseEntryKey } from './journal-keys.ts'
import type { OpenEntry, StoredMark } from './stored-mark.ts'

interface Foreign {
  readonly key: KvKey
  readonly writer: string
  readonly revision: number
  readonly seenAt: number
  /** Of this process: an entry whose answer was lost. */
  readonly open: OpenEntry | undefined
}

export interface ForeignDeps {
  readonly log: Logger
  /** This process. */
  readonly writer: string
  readonly mark: StoredMark
  append(tenant: string, ops: readonly AppendOp[]): Promise<readonly AppendOutcome[]>
}

/** What this process has seen in the journal of the entries of others, by lineage: they carry it over, unless they died. */
export class ForeignEntries {
  readonly #deps: ForeignDeps
  /** By tenant and lineage, and then by the text of the key. */
  readonly #entries = new Map<string, Map<string, Foreign>>()
  /** Those that have said how far SQL has their entries. */
  readonly #writers = new Set<string>()

  constructor(deps: ForeignDeps) {
    this.#deps = deps
  }

  has(id: string): boolean {
    return this.#entries.has(id)
  }

  ids(): string[] {
    return [...this.#entries.keys()]
  }

  /** Lineages of which an entry was seen before `limit`, in milliseconds of the process's clock, and the writers of such entries. */
  stale(limit: number): { ids: string[]; writers: Set<string> } {
    const writers = new Set<string>()
    const ids = this.ids().filter((id) => {
      const old = [...(this.#entries.get(id)?.values() ?? [])].filter(({ seenAt }) => seenAt < limit)
      for (const { writer } of old) writers.add(writer)
      return old.length > 0
    })
    return { ids, writers }
  }

  /** `open` is given for an entry of this process alone. */
  saw(key: KvKey, revision: number, open?: OpenEntry): void {
    if (key.length === 2 && key[0] !== this.#deps.writer) this.#writers.add(key[0] as string)
    const parsed = parseEntryKey(key)
    if (parsed === undefined || (open === undefined && parsed.writer === this.#deps.writer)) return
    const id = `${parsed.tenant}\n${parsed.lineageId}`
    const entries = this.#entries.get(id) ?? new Map<string, Foreign>()
    const name = key.join('\n')
    if (!entries.has(name)) entries.set(name, { key, writer: parsed.writer, revision, seenAt: performance.now(), open })
    this.#entries.set(id, entries)
  }

  /** Takes out of the journal what these writers (all that are known, unless given) have said to be in SQL. */
  async purgeStored(bucket: KvBucket, writers: ReadonlySet<string> = this.#writers): Promise<void> {
    for (const [writer, stored] of await this.#marks(bucket, writers)) await bucket.purgeUnder([writer], stored)
  }

  /** Stores what is still there of the entries of others, oldest first, and takes them out. */
  async replay(id: string, bucket: KvBucket): Promise<void> {
    const seen = this.#entries.get(id)
    if (seen === undefined) return
    const listed = [...seen]
    const marks = await this.#marks(bucket, new Set(listed.map(([, { writer }]) => writer)))
    const entries: KvEntry[] = []
    for (const [, { key, writer, revision }] of listed) {
      if (revision <= (marks.get(writer) ?? 0)) continue
      const entry = await bucket.get(key)
      if (entry !== undefined && !entry.deleted) entries.push(entry)
    }
    entries.sort((a, b) => a.revision - b.revision)
    for (const entry of entries) if (await this.#store(entry)) await bucket.purge(entry.key, entry.revision)
    for (const [name, { open }] of listed) {
      seen.delete(name)
      if (open !== undefined) this.#deps.mark.end(open)
    }
    if (seen.size === 0 && this.#entries.get(id) === seen) this.#entries.delete(id)
  }

  async #store({ key, value }: KvEntry): Promise<boolean> {
    try {
      const op = decodeEntry(value)
      const [outcome] = await this.#deps.append(parseEntryKey(key)?.tenant as string, [op])
      if (outcome?.stored === false && op.kind === 'put') this.#deps.log.debug({ lineage: op.lineage.id, checkpoint: op.id }, 'SQL had this checkpoint of a stopped process, or its thread was pruned')
      return true
    } catch (error) {
      if (!isCairnError(error, 'CONSISTENCY_VIOLATION')) throw error
      this.#deps.log.error({ err: error, key }, 'a damaged entry of the lineage journal was left where it is')
      return false
    }
  }

  /** Up to which revision SQL has the entries of these writers, as far as they have said. */
  async #marks(bucket: KvBucket, writers: ReadonlySet<string>): Promise<Map<string, number>> {
    const marks = new Map<string, number>()
    for (const writer of writers) {
      const mark = await bucket.get(markKey(writer))
      if (mark !== undefined && !mark.deleted) marks.set(writer, Number(mark.value.split(' ')[0]))
      else this.#writers.delete(writer)
    }
    return marks
  }
}
