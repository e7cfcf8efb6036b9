import type { KvBucket, KvEntry, KvKey } from '../../engines/kv/index.ts'
import { isCairnError } from '../../errors/index.ts'
import type { Logger } from '../../observability/index.ts'
import type { AppendOp, AppendOutcome } from './append-batch.ts'
import { decodeEntries } from './journal-entry.ts'
import { binOf, markKey, parseEntryKey, parseMarkKey } from './journal-keys.ts'
import type { OpenEntry, StoredMark } from './stored-mark.ts'

interface Foreign {
  readonly key: KvKey
  readonly writer: string
  readonly revision: number
  readonly seenAt: number
  /** Bins of lineages of which SQL may lack something that is in it. */
  readonly left: Set<string>
  /** Of this process: an entry whose answer was lost. */
  readonly open: OpenEntry[]
  damaged: boolean
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
  /** By tenant and bin, and then by the text of the key. */
  readonly #entries = new Map<string, Map<string, Foreign>>()
  /** Those that have said how far SQL has their entries. */
  readonly #writers = new Set<string>()

  constructor(deps: ForeignDeps) {
    this.#deps = deps
  }

  has(tenant: string, lineageId: string): boolean {
    return this.#entries.size > 0 && this.#entries.has(idOf(tenant, binOf(lineageId)))
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

  /** `open` is given for an entry of this process alone, once for each op in it. */
  saw(key: KvKey, revision: number, open?: OpenEntry): void {
    const marked = parseMarkKey(key)
    if (marked !== undefined && marked !== this.#deps.writer) this.#writers.add(marked)
    const parsed = parseEntryKey(key)
    if (parsed === undefined || (open === undefined && parsed.writer === this.#deps.writer)) return
    const name = key.join('\n')
    const known = parsed.bins.map((bin) => this.#entries.get(idOf(parsed.tenant, bin))?.get(name)).find((entry) => entry !== undefined)
    if (known !== undefined) {
      if (open !== undefined) known.open.push(open)
      return
    }
    const { writer, tenant, bins } = parsed
    const foreign: Foreign = { key, writer, revision, seenAt: performance.now(), left: new Set(bins), open: open === undefined ? [] : [open], damaged: false }
    for (const bin of bins) {
      const id = idOf(tenant, bin)
      const entries = this.#entries.get(id) ?? new Map<string, Foreign>()
      this.#entries.set(id, entries.set(name, foreign))
    }
  }

  /** Takes out of the journal what these writers (all that are known, unless given) have said to be in SQL. */
  async purgeStored(bucket: KvBucket, writers: ReadonlySet<string> = this.#writers): Promise<void> {
    for (const [writer, stored] of await this.#marks(bucket, writers)) await bucket.purgeUnder([writer], stored)
  }

  /** Stores what is still there of the entries of others with lineages of this bin, oldest first; what has nothing else in it is taken out. */
  async replay(tenant: string, lineageId: string, bucket: KvBucket): Promise<void> {
    await this.replayId(idOf(tenant, binOf(lineageId)), bucket)
  }

  /** The same by what `ids` names. */
  async replayId(id: string, bucket: KvBucket): Promise<void> {
    const seen = this.#entries.get(id)
    if (seen === undefined) return
    const [tenant, bin] = id.split('\n') as [string, string]
    const listed = [...seen]
    const marks = await this.#marks(bucket, new Set(listed.map(([, { writer }]) => writer)))
    const found: { entry: KvEntry; foreign: Foreign }[] = []
    for (const [, foreign] of listed) {
      if (foreign.revision <= (marks.get(foreign.writer) ?? 0)) continue
      const entry = await bucket.get(foreign.key)
      if (entry !== undefined && !entry.deleted) found.push({ entry, foreign })
    }
    found.sort((a, b) => a.entry.revision - b.entry.revision)
    for (const { entry, foreign } of found) {
      await this.#store(tenant, bin, entry, foreign)
      foreign.left.delete(bin)
      if (foreign.left.size === 0 && !foreign.damaged) await bucket.purge(entry.key, entry.revision)
    }
    for (const [name, { left, open }] of listed) {
      seen.delete(name)
      left.delete(bin)
      if (left.size === 0) for (const one of open.splice(0)) this.#deps.mark.end(one)
    }
    if (seen.size === 0 && this.#entries.get(id) === seen) this.#entries.delete(id)
  }

  async #store(tenant: string, bin: string, { key, value }: KvEntry, foreign: Foreign): Promise<void> {
    try {
      const ops = decodeEntries(value).filter(({ lineage }) => binOf(lineage.id) === bin)
      const outcomes = await this.#deps.append(tenant, ops)
      for (const [index, op] of ops.entries()) {
        if (outcomes[index]?.stored === false && op.kind === 'put') this.#deps.log.debug({ lineage: op.lineage.id, checkpoint: op.id }, 'SQL had this checkpoint of a stopped process, or its thread was pruned')
      }
    } catch (error) {
      // What SQL refuses for good must not keep all the other entries from it.
      if (!isCairnError(error) || error.retryable || error.code === 'CLOSED') throw error
      foreign.damaged = true
      const what = error.code === 'CONSISTENCY_VIOLATION' ? 'a damaged entry of the lineage journal' : 'an entry of the lineage journal that SQL refuses'
      this.#deps.log.error({ err: error, key }, `${what} was left where it is`)
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

/** Tenants are plain text without line ends. */
function idOf(tenant: string, bin: string): string {
  return `${tenant}\n${bin}`
}
