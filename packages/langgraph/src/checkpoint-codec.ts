import type { ChannelValue, LineageCheckpoint, LineageWrite } from '@cairn/core'
import {
  type ChannelVersions,
  type Checkpoint,
  type CheckpointMetadata,
  type CheckpointPendingWrite,
  type PendingWrite,
  type SerializerProtocol,
  WRITES_IDX_MAP,
} from '@langchain/langgraph-checkpoint'
import { FastJsonPlusSerializer } from './fast-json-plus.ts'

const ENCODER = new TextEncoder()
const DECODER = new TextDecoder()

/** What is stored of a checkpoint beside its id and its channels' values. */
export function bodyOf(checkpoint: Checkpoint): Uint8Array {
  const { id: _id, channel_values: _values, ...body } = checkpoint
  return ENCODER.encode(JSON.stringify(body))
}

/** The values of these channels, serialised; a channel without a value has none. */
export async function channelsOf(serde: SerializerProtocol, checkpoint: Checkpoint, versions: ChannelVersions): Promise<Map<string, ChannelValue>> {
  const values = checkpoint.channel_values ?? {}
  const channels = await Promise.all(
    Object.entries(versions)
      .filter(([name]) => Object.hasOwn(values, name))
      .map(async ([name, version]) => {
        const [type, bytes] = await serde.dumpsTyped(values[name])
        return [name, { version: String(version), type, bytes }] as const
      }),
  )
  return new Map(channels)
}

export async function metadataText(serde: SerializerProtocol, metadata: CheckpointMetadata): Promise<string> {
  const [, bytes] = await serde.dumpsTyped(metadata)
  return DECODER.decode(bytes)
}

export async function writesOf(serde: SerializerProtocol, writes: readonly PendingWrite[]): Promise<LineageWrite[]> {
  return Promise.all(
    writes.map(async ([channel, value], place) => {
      const [type, bytes] = await serde.dumpsTyped(value)
      return { index: WRITES_IDX_MAP[channel] ?? place, channel, type, bytes }
    }),
  )
}

export async function loadCheckpoint(serde: SerializerProtocol, stored: LineageCheckpoint): Promise<Checkpoint> {
  const body = JSON.parse(DECODER.decode(stored.body)) as Omit<Checkpoint, 'id' | 'channel_values'>
  const names = [...stored.channels.keys()]
  const values = await loadAll(serde, [...stored.channels.values()])
  return {
    ...body,
    id: stored.id,
    channel_values: fromEntries(names, values),
    channel_versions: body.channel_versions ?? {},
    versions_seen: body.versions_seen ?? {},
  }
}

export async function loadMetadata(serde: SerializerProtocol, stored: LineageCheckpoint): Promise<CheckpointMetadata> {
  const [metadata] = await loadAll(serde, [{ type: 'json', bytes: stored.metadata }])
  return metadata as CheckpointMetadata
}

export async function loadWrites(serde: SerializerProtocol, stored: LineageCheckpoint): Promise<CheckpointPendingWrite[]> {
  const values = await loadAll(serde, stored.writes)
  return stored.writes.map(({ taskId, channel }, index) => [taskId, channel, values[index]])
}

/** The values in their order; a promise only where the serialiser needs one, as a checkpoint has dozens of small values. */
async function loadAll(serde: SerializerProtocol, stored: readonly { readonly type: string; readonly bytes: Uint8Array | string }[]): Promise<unknown[]> {
  if (!(serde instanceof FastJsonPlusSerializer)) return Promise.all(stored.map(({ type, bytes }) => serde.loadsTyped(type, bytes) as Promise<unknown>))
  const values = stored.map(({ type, bytes }) => serde.loadsNow(type, bytes))
  for (const [index, { type, bytes }] of stored.entries()) values[index] ??= await serde.loadsTyped(type, bytes)
  return values
}

/** As Object.fromEntries: a channel named `__proto__` becomes a property and nothing else. */
function fromEntries(names: readonly string[], values: readonly unknown[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name, index) => [name, values[index]]))
}
