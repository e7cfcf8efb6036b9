import type { RunnableConfig } from '@langchain/core/runnables'
import type { LineageSpace } from '@cairn/core'
import type { CheckpointPendingWrite, DeltaChannelHistory, SerializerProtocol } from '@langchain/langgraph-checkpoint'
import { partsOf } from './config-parts.ts'

/** The contract of BaseCheckpointSaver.getDeltaChannelHistory; only the writes and seeds asked for are deserialised. */
export async function deltaChannelHistory(
  space: LineageSpace,
  serde: SerializerProtocol,
  { config, channels }: { config: RunnableConfig; channels: string[] },
): Promise<Record<string, DeltaChannelHistory>> {
  const { thread, path = '', id } = partsOf(config)
  const collected = new Map<string, CheckpointPendingWrite[]>(channels.map((name) => [name, []]))
  const seeds = new Map<string, unknown>()
  const open = new Set(channels)
  const from = thread === undefined || open.size === 0 ? undefined : (id ?? (await space.get({ thread, path }))?.id)
  if (thread !== undefined && from !== undefined) {
    for await (const ancestor of space.ancestors({ thread, path, id: from })) {
      for (const { taskId, channel, type, bytes } of ancestor.writes.toReversed()) {
        if (open.has(channel)) collected.get(channel)?.push([taskId, channel, await serde.loadsTyped(type, bytes)])
      }
      for (const name of open) {
        const value = ancestor.channels.get(name)
        if (value === undefined) continue
        seeds.set(name, await serde.loadsTyped(value.type, value.bytes))
        open.delete(name)
      }
      if (open.size === 0) break
    }
  }
  return Object.fromEntries(
    channels.map((name) => [name, { writes: (collected.get(name) ?? []).reverse(), ...(seeds.has(name) ? { seed: seeds.get(name) } : {}) }]),
  )
}
