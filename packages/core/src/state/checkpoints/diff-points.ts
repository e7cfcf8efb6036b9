import type { TenantIdentity } from '../../identity/index.ts'
import { snapshotAgent } from '../agent-snapshot.ts'
import type { StateCore } from '../state-core.ts'
import { isLive } from '../state-entry.ts'
import type { CheckpointStore } from './checkpoint-store.ts'
import type { Manifest } from './manifest.ts'
import { type PatchOperation, jsonPatch } from './json-patch.ts'

export interface StateDiff {
  /** Id of the checkpoint compared from. */
  readonly from: string
  /** Id of the checkpoint compared to, or `now`. */
  readonly to: string
  readonly added: { readonly key: string; readonly value: unknown }[]
  readonly removed: { readonly key: string; readonly value: unknown }[]
  readonly changed: { readonly key: string; readonly before: unknown; readonly after: unknown; readonly patch: PatchOperation[] }[]
  /** Number of keys with the same value on both sides. */
  readonly unchanged: number
}

interface Side {
  readonly manifest: Manifest
  texts(hashes: ReadonlySet<string>): Promise<Map<string, string>>
}

/** Compares by hash; only the values that differ are read. `to` undefined: the state of the first one's agent now. */
export async function diffPoints(core: StateCore, identity: TenantIdentity, store: CheckpointStore, from: string, to: string | undefined): Promise<StateDiff> {
  const { agentId } = await store.get(from)
  const now = to === undefined ? await sideOfNow(core, identity, agentId) : undefined
  return store.reading(async (session) => {
    const before = await store.manifest(session, from)
    const after = now ?? (await store.manifest(session, to as string))
    return compare(from, to ?? 'now', before, after)
  })
}

async function sideOfNow(core: StateCore, identity: TenantIdentity, agentId: string): Promise<Side> {
  const { entries } = await snapshotAgent(core, identity.tenant, agentId, isLive)
  const byHash = new Map([...entries.values()].map(({ checksum, text }) => [checksum, text as string]))
  return {
    manifest: new Map([...entries].map(([key, { checksum }]) => [key, checksum])),
    texts: (hashes) => Promise.resolve(new Map([...hashes].map((hash) => [hash, byHash.get(hash) as string]))),
  }
}

async function compare(from: string, to: string, before: Side, after: Side): Promise<StateDiff> {
  const keys = [...new Set([...before.manifest.keys(), ...after.manifest.keys()])].filter((key) => before.manifest.get(key) !== after.manifest.get(key)).sort()
  const valuesOf = async (side: Side): Promise<(key: string) => unknown> => {
    const texts = await side.texts(new Set(keys.flatMap((key) => side.manifest.get(key) ?? [])))
    return (key) => JSON.parse(texts.get(side.manifest.get(key) as string) as string) as unknown
  }
  const [was, is] = [await valuesOf(before), await valuesOf(after)]
  const diff = { from, to, added: [] as StateDiff['added'], removed: [] as StateDiff['removed'], changed: [] as StateDiff['changed'], unchanged: 0 }
  for (const key of keys) {
    if (!before.manifest.has(key)) diff.added.push({ key, value: is(key) })
    else if (!after.manifest.has(key)) diff.removed.push({ key, value: was(key) })
    else diff.changed.push({ key, before: was(key), after: is(key), patch: jsonPatch(was(key), is(key)) })
  }
  diff.unchanged = before.manifest.size - diff.removed.length - diff.changed.length
  return diff
}
