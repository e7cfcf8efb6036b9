import { isCairnError } from '../errors/index.ts'
import type { Logger } from '../observability/index.ts'
import { encodeEnvelope } from './envelope.ts'
import type { DirtyState, Flusher } from './flusher.ts'
import { type HotTier, keyOf } from './hot-tier.ts'
import { addressId } from './state-entry.ts'

export interface HotTierLossDeps {
  readonly hot: HotTier
  readonly flusher: Flusher
  readonly log: Logger
  readonly writerId: string
}

/**
 * The bucket of the hot tier is gone with all it held (its server's store was wiped) and was made again. What SQL has is brought
 * back by the reads; what this process has acknowledged and not flushed is in its memory; only what a process that is dead had
 * not flushed is lost, and that is said.
 */
export class HotTierLoss {
  readonly #deps: HotTierLossDeps
  /** Unflushed when the tier went away, or found so later, by address. */
  readonly #unflushed = new Map<string, DirtyState>()
  resets = 0
  count = 0
  last: string | undefined

  constructor(deps: HotTierLossDeps) {
    this.#deps = deps
  }

  /** The tier went away: what is dirty now may be all there is of these revisions. */
  remember(): void {
    this.#unflushed.clear()
    this.#collect()
  }

  /** Writes acknowledged 'hot' may be gone: to the log and to the statistics. */
  report(what: string, details: Readonly<Record<string, unknown>>): void {
    this.count++
    this.last = `The hot tier lost its bucket: ${what}. What was acknowledged 'hot' by it and not flushed is gone; what was acknowledged 'durable' is in SQL.`
    this.#deps.log.error(details, this.last)
  }

  reset(former: string): void {
    this.resets++
    this.#deps.log.warn({ former, epoch: this.#deps.hot.epoch, unflushed: this.#unflushed.size }, 'the bucket of the hot tier was lost and made again; it is filled from SQL')
  }

  /** Resolves when SQL has what was unflushed, and no older copy of it is in the new bucket. Rejects while SQL does not answer. */
  async carryOver(): Promise<void> {
    this.#collect()
    await this.#deps.flusher.flushNow()
    for (const [id, dirty] of this.#unflushed) {
      await this.#replaceOlder(dirty)
      this.#unflushed.delete(id)
    }
  }

  #collect(): void {
    for (const dirty of this.#deps.flusher.unflushed()) this.#unflushed.set(addressId(dirty.address), dirty)
  }

  /** Another process may have brought back what SQL held before the flush. */
  async #replaceOlder({ address, stored }: DirtyState): Promise<void> {
    const { bucket } = this.#deps.hot
    for (;;) {
      const entry = await bucket.get(keyOf(address))
      if (entry === undefined || entry.deleted || this.#deps.hot.toStored(entry, address).revision >= stored.revision) return
      try {
        if (stored.text === null) await bucket.delete(keyOf(address), { expectedRevision: entry.revision })
        else {
          const { text, checksum, writtenAt, expiresAt, clock, revision } = stored
          const optional = { ...(expiresAt === undefined ? {} : { expiresAt }), ...(clock === undefined ? {} : { clock }) }
          await bucket.put(keyOf(address), encodeEnvelope({ text, checksum, writtenAt, writer: this.#deps.writerId, hydratedRevision: revision, ...optional }), { expectedRevision: entry.revision })
        }
        return
      } catch (error) {
        if (!isCairnError(error, 'VERSION_CONFLICT')) throw error
      }
    }
  }
}
