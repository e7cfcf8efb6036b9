import type { KvChange } from '../engines/kv/index.ts'
import type { ReadPath } from './read-path.ts'
import type { StateCore } from './state-core.ts'
import { type StateEntry, isLive, toEntry } from './state-entry.ts'
import type { StateWatchOptions } from './state-service.ts'
import { snapshotAgent } from './agent-snapshot.ts'

export interface StateChange<T = unknown> {
  readonly key: string
  readonly revision: number
  /** The entry now; undefined when the key was deleted. */
  readonly entry: StateEntry<T> | undefined
}

/** Keys that changed wait in a map, one entry a key, so that a slow reader costs memory for keys and not for changes. */
export async function* watchState<T>(core: StateCore, reads: ReadPath, tenant: string, agentId: string, options: StateWatchOptions): AsyncIterable<StateChange<T>> {
  core.assertOpen()
  const pending = new Map<string, number>()
  const shown = new Map<string, number>()
  let gap = false
  let wake: (() => void) | undefined
  const notify = (): void => wake?.()
  const stop = core.watch({
    onChange: (change: KvChange) => {
      const [ofTenant, ofAgent, key] = change.key
      if (ofTenant !== tenant || ofAgent !== agentId || key === undefined || !key.startsWith(options.prefix ?? '')) return
      pending.set(key, change.revision)
      notify()
    },
    onGap: () => {
      gap = true
      notify()
    },
  })
  const ended = (): boolean => core.closing.aborted || options.signal?.aborted === true
  for (const signal of [core.closing, options.signal]) signal?.addEventListener('abort', notify)
  try {
    while (!ended()) {
      if (gap) {
        gap = false
        const { entries } = await snapshotAgent(core, tenant, agentId, () => true)
        for (const [key, stored] of entries) if (key.startsWith(options.prefix ?? '') && stored.revision > (shown.get(key) ?? 0)) pending.set(key, 0)
      }
      const key = pending.keys().next().value
      if (key === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve
          if (ended() || pending.size > 0 || gap) resolve()
        })
        continue
      }
      pending.delete(key)
      const stored = await reads.read({ tenant, agentId, key })
      if (stored === undefined || stored.revision <= (shown.get(key) ?? 0)) continue
      shown.set(key, stored.revision)
      yield { key, revision: stored.revision, entry: isLive(stored) ? toEntry<T>(key, stored) : undefined }
    }
  } finally {
    stop()
    for (const signal of [core.closing, options.signal]) signal?.removeEventListener('abort', notify)
  }
}
