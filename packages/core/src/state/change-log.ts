import type { StateCore } from './state-core.ts'
import type { StoredState } from './state-entry.ts'

/** Revisions of keys as they were read: key → bucket revision → what it held. */
export type Versions = Map<string, Map<number, StoredState>>

/**
 * Every change of one agent that is reported while it stands, in order. Reports have no holes (the bucket's watch notices
 * one and says so), so that up to `newest` it is known which revision each key had at any moment since the start.
 */
export class ChangeLog {
  readonly #writes: { readonly key: string; readonly revision: number }[] = []
  #newest = 0
  #gap = false
  readonly stop: () => void

  constructor(core: StateCore, tenant: string, agentId: string) {
    this.stop = core.watch({
      onChange: ({ key, revision }) => {
        if (revision > this.#newest) this.#newest = revision
        if (key[0] === tenant && key[1] === agentId) this.#writes.push({ key: key[2] as string, revision })
      },
      onGap: () => {
        this.#gap = true
      },
    })
  }

  /** Reports were missed: what is in here proves nothing. */
  get gap(): boolean {
    return this.#gap
  }

  /**
   * The latest moment in `from`..`to` at which every key that changed since `start` had a revision that was read, with what
   * these keys held then. Undefined when there is none. `from` must lie behind the reading of everything else.
   */
  momentWithin(start: number, from: number, to: number, versions: Versions): { revision: number; entries: [string, StoredState][] } | undefined {
    const end = Math.min(to, Math.max(start, this.#newest))
    if (end < from) return undefined
    const writes = this.#writes.filter(({ revision }) => revision > start && revision <= end)
    const unread = new Set<string>()
    let moment = (writes[0]?.revision ?? end + 1) > from ? Math.min(end, (writes[0]?.revision ?? end + 1) - 1) : undefined
    for (const [index, { key, revision }] of writes.entries()) {
      if (versions.get(key)?.has(revision) === true) unread.delete(key)
      else unread.add(key)
      const last = (writes[index + 1]?.revision ?? end + 1) - 1
      if (unread.size === 0 && last >= from) moment = last
    }
    if (moment === undefined) return undefined
    const at = new Map<string, StoredState>()
    for (const { key, revision } of writes) if (revision <= moment) at.set(key, versions.get(key)?.get(revision) as StoredState)
    return { revision: moment, entries: [...at] }
  }
}
