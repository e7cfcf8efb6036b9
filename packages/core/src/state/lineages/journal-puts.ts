import type { KvBucket, KvKey } from '../../engines/kv/index.ts'
import { GroupQueue } from './group-queue.ts'
import { encodeGroup } from './journal-entry.ts'
import { MOST_BINS, binOf, entryKey } from './journal-keys.ts'

/** An op on its way into the journal. */
export interface JournalPut {
  readonly tenant: string
  readonly lineageId: string
  readonly text: string
}

/** Under which key it went, and at which revision it is; or why not. */
export interface JournalPutResult {
  readonly key: KvKey
  readonly revision?: number
  readonly error?: unknown
}

const LANES = 2
const MOST_OPS = 64
/** Of ops that share an entry; a larger one has an entry of its own. */
const MOST_BYTES = 128 * 1024

/**
 * Puts ops into the journal, in their order. While an entry is on its way, the next collects: callers who put at the same
 * time share an entry, and its cost. One who is alone waits for nobody.
 */
export class JournalPuts {
  readonly #writer: string
  readonly #queue: GroupQueue<JournalPut, JournalPutResult>
  #count = 0

  constructor(writer: string, bucket: () => KvBucket) {
    this.#writer = writer
    this.#queue = new GroupQueue({
      lanes: LANES,
      maxOps: MOST_OPS,
      maxBytes: MOST_BYTES,
      bytesOf: ({ text }) => text.length,
      run: async (puts) => {
        const groups = toGroups(puts)
        return groups.length === 1 ? this.#put(bucket(), puts) : (await Promise.all(groups.map((group) => this.#put(bucket(), group)))).flat()
      },
    })
  }

  submit(put: JournalPut): Promise<JournalPutResult> {
    return this.#queue.submit(put)
  }

  async #put(bucket: KvBucket, group: readonly JournalPut[]): Promise<JournalPutResult[]> {
    const [{ tenant, lineageId }] = group as [JournalPut]
    const bins = [...new Set(group.map((put) => binOf(put.lineageId)))]
    const key = entryKey(this.#writer, tenant, lineageId, (this.#count++).toString(36), bins)
    try {
      const revision = await bucket.put(key, encodeGroup(group.map(({ text }) => text)))
      return group.map(() => ({ key, revision }))
    } catch (error) {
      return group.map(() => ({ key, error }))
    }
  }
}

/** Neighbours of one tenant that fit into one entry. */
function toGroups(puts: readonly JournalPut[]): JournalPut[][] {
  const groups: JournalPut[][] = []
  let bytes = 0
  let bins = new Set<string>()
  for (const put of puts) {
    const group = groups.at(-1)
    bytes += put.text.length
    bins.add(binOf(put.lineageId))
    if (group !== undefined && group[0]?.tenant === put.tenant && bytes <= MOST_BYTES && bins.size <= MOST_BINS) {
      group.push(put)
      continue
    }
    groups.push([put])
    bytes = put.text.length
    bins = new Set([binOf(put.lineageId)])
  }
  return groups
}
