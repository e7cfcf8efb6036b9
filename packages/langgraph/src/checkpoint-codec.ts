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
import { type Typed, dumpAll, isFast } from './dump-all.ts'

const DECODER = new TextDecoder()

/** A checkpoint without its id, serialised: the body is what is beside the channels' values. */
export interface EncodedCheckpoint {
  readonly body: Uint8Array
  /** Of these versions' channels; one without a value has none. */
  readonly changed: ReadonlyMap<string, ChannelValue>
  readonly metadata: string
}

export async function encodeCheckpoint(serde: SerializerProtocol, checkpoint: Checkpoint, metadata: CheckpointMetadata, versions: ChannelVersions): Promise<EncodedCheckpoint> {
  const { id: _id, channel_values: _values, ...body } = checkpoint
  const text = isFast(serde) ? serde.dumpsNow(metadata) : undefined
  const values = checkpoint.channel_values ?? {}
  const names = Object.keys(versions).filter((name) => Object.hasOwn(values, name))
  const [[head, ...encoded], dumped] = await Promise.all([
    dumpAll(serde, names.map((name) => values[name]), [JSON.stringify(body)]),
    text === undefined ? serde.dumpsTyped(metadata) : undefined,
  ])
  return {
    body: (head as Typed)[1],
    changed: new Map(encoded.map(([type, bytes], index) => [names[index] as string, { version: String(versions[names[index] as string]), type, bytes }])),
    metadata: text ?? DECODER.decode((dumped as Typed)[1]),
  }
}

/** The values of these channels, serialised; a channel without a value has none. */
export async function channelsOf(serde: SerializerProtocol, checkpoint: Checkpoint, versions: ChannelVersions): Promise<ReadonlyMap<string, ChannelValue>> {
  return (await encodeCheckpoint(serde, checkpoint, {} as CheckpointMetadata, versions)).changed
}

export async function writesOf(serde: SerializerProtocol, writes: readonly PendingWrite[]): Promise<LineageWrite[]> {
  const encoded = await dumpAll(serde, writes.map(([, value]) => value))
  return writes.map(([channel], place) => {
    const [type, bytes] = encoded[place] as Typed
    return { index: WRITES_IDX_MAP[channel] ?? place, channel, type, bytes }
  })
}

export async function loadCheckpoint(serde: SerializerProtocol, stored: LineageCheckpoint): Promise<Checkpoint> {
  const names = [...stored.channels.keys()]
  const [head, ...values] = await loadContent(serde, stored)
  const body = head as Omit<Checkpoint, 'id' | 'channel_values'>
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

/** Lists of a body and its channels' values, by the channels: contents never change, and one that was read is read again. */
const READ_BEFORE = new WeakMap<LineageCheckpoint['channels'], string>()
/** Longer texts take longer to parse than to decode. */
const LONGEST_KEPT = 16_384

/** The body and the values of the channels, made anew each time. */
async function loadContent(serde: SerializerProtocol, { body, channels }: LineageCheckpoint): Promise<unknown[]> {
  const all = channels.values()
  if (!isFast(serde)) return [JSON.parse(DECODER.decode(body)), ...(await loadAll(serde, [...all]))]
  const known = READ_BEFORE.get(channels)
  if (known !== undefined) return JSON.parse(known) as unknown[]
  const stored = [{ type: 'json', bytes: body }, ...all]
  const text = listText(stored)
  const values = text === undefined ? undefined : serde.loadsList(text)
  if (text === undefined || values === undefined) return [JSON.parse(DECODER.decode(body)), ...(await loadAll(serde, stored.slice(1)))]
  if (text.length <= LONGEST_KEPT) READ_BEFORE.set(channels, text)
  return values
}

interface StoredValue {
  readonly type: string
  readonly bytes: Uint8Array | string
}

/** The values in their order; a promise for each only where the serialiser needs one, as a checkpoint has dozens of small values. */
async function loadAll(serde: SerializerProtocol, stored: readonly StoredValue[]): Promise<unknown[]> {
  const text = isFast(serde) ? listText(stored) : undefined
  const together = text === undefined || !isFast(serde) ? undefined : serde.loadsList(text)
  return together ?? Promise.all(stored.map(({ type, bytes }) => serde.loadsTyped(type, bytes) as Promise<unknown>))
}

function listText(stored: readonly StoredValue[]): string | undefined {
  if (stored.some(({ type }) => type !== 'json')) return undefined
  return `[${stored.map(({ bytes }) => (typeof bytes === 'string' ? bytes : DECODER.decode(bytes))).join(',')}]`
}

/** As Object.fromEntries: a channel named `__proto__` becomes a property and nothing else. */
function fromEntries(names: readonly string[], values: readonly unknown[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name, index) => [name, values[index]]))
}
