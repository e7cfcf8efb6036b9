import type { KvBucket, KvKey } from '../../engines/kv/index.ts'
import { isCairnError } from '../../errors/index.ts'
import type { Logger } from '../../observability/index.ts'
import { MARKS, entriesOf, markKey, parseMarkKey } from './journal-keys.ts'

export interface JournalWritersDeps {
  /** This process. */
  readonly own: string
  readonly log: Logger
  onEntry(key: KvKey, revision: number): void
  onGap(bucket: KvBucket): void
}

/** Those whose mark is gone are looked for this often. */
const GONE_EVERY_MS = 60_000

interface Followed {
  readonly stop: Promise<() => Promise<void>>
  /** The mark was missing when it was last looked for. It is for a moment when it is put anew. */
  missing: boolean
}

/**
 * Who else writes to the journal. Each is watched by itself: a process that watched the whole journal would be told of
 * all its own entries, which cost it as much as putting them.
 */
export class JournalWriters {
  readonly #deps: JournalWritersDeps
  readonly #followed = new Map<string, Followed>()
  #stopMarks: (() => Promise<void>) | undefined
  #lookedAt = performance.now()

  constructor(deps: JournalWritersDeps) {
    this.#deps = deps
  }

  /** From now on, who puts a mark is followed. Whom it followed in a bucket that is no more is found again by its mark. */
  async watch(bucket: KvBucket): Promise<void> {
    await this.stop().catch(() => undefined)
    this.#stopMarks = await bucket.watch(
      {
        onChange: ({ key, revision, deleted }) => {
          const writer = parseMarkKey(key)
          if (deleted || writer === undefined || writer === this.#deps.own) return
          this.#deps.onEntry(key, revision)
          this.follow(bucket, writer).catch((error: unknown) => {
            if (!isCairnError(error, 'CLOSED')) this.#deps.log.warn({ err: error, writer }, 'a writer of the lineage journal is not followed yet; its next word is waited for')
          })
        },
        onGap: () => this.#deps.onGap(bucket),
      },
      MARKS,
    )
  }

  /** Tells of all entries of a writer, those that are there and those to come. */
  async follow(bucket: KvBucket, writer: string): Promise<void> {
    if (writer === this.#deps.own || this.#followed.has(writer)) return
    const stop = bucket.watch({ onChange: ({ key, revision, deleted }) => void (deleted || this.#deps.onEntry(key, revision)), onGap: () => {} }, entriesOf(writer))
    this.#followed.set(writer, { stop, missing: false })
    try {
      await stop
      for await (const { key, revision } of bucket.list([writer])) this.#deps.onEntry(key, revision)
    } catch (error) {
      this.#followed.delete(writer)
      await stop.then((end) => end()).catch(() => undefined)
      throw error
    }
  }

  /** Follows no longer who has taken its mark away. */
  async forgetGone(bucket: KvBucket): Promise<void> {
    if (performance.now() - this.#lookedAt < GONE_EVERY_MS) return
    this.#lookedAt = performance.now()
    for (const [writer, followed] of this.#followed) {
      const missing = (await bucket.get(markKey(writer))) === undefined
      if (missing && followed.missing) {
        this.#followed.delete(writer)
        await (await followed.stop)()
      }
      followed.missing = missing
    }
  }

  async stop(): Promise<void> {
    const stops = [...this.#followed.values()].map(({ stop }) => stop)
    this.#followed.clear()
    await this.#stopMarks?.()
    for (const stop of stops) await (await stop)()
  }
}
