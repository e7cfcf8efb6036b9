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
import { isUnmarked } from './fast-json-plus.ts'

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
    dumpAll(serde, names.map((name) => values[name]), { texts: [JSON.stringify(body)], kept: true }),
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
  const encoded = await dumpAll(serde, writes.map(([, value]) => value), { kept: false })
  return writes.map(([channel], place) => {
    const [type, bytes] = encoded[place] as Typed
    return { index: Object.hasOwn(WRITES_IDX_MAP, channel) ? (WRITES_IDX_MAP[channel] as number) : place, channel, type, bytes }
  })
}

/** What a stored checkpoint holds, as LangGraph has it. */
export interface LoadedCheckpoint {
  readonly checkpoint: Checkpoint
  readonly metadata: CheckpointMetadata
  readonly pendingWrites: CheckpointPendingWrite[]
}

/** All values are made anew each time. */
export async function loadStored(serde: SerializerProtocol, stored: LineageCheckpoint): Promise<LoadedCheckpoint> {
  const [[head, ...values], metadata, written] = (isFast(serde) ? partsTogether(stored) : undefined) ?? (await partsApart(serde, stored))
  const body = head as Omit<Checkpoint, 'id' | 'channel_values'>
  const names = [...stored.channels.keys()]
  return {
    checkpoint: { ...body, id: stored.id, channel_values: fromEntries(names, values), channel_versions: body.channel_versions ?? {}, versions_seen: body.versions_seen ?? {} },
    metadata: metadata as CheckpointMetadata,
    pendingWrites: pendingWrites(stored, written),
  }
}

export async function loadWrites(serde: SerializerProtocol, stored: LineageCheckpoint): Promise<CheckpointPendingWrite[]> {
  return pendingWrites(stored, await loadAll(serde, stored.writes))
}

function pendingWrites({ writes }: LineageCheckpoint, values: readonly unknown[]): CheckpointPendingWrite[] {
  return writes.map(({ taskId, channel }, index) => [taskId, channel, values[index]])
}

/** The body and the channels' values, the metadata, and the writes' values. */
type StoredParts = [content: unknown[], metadata: unknown, writes: unknown[]]

/** Read as one JSON text; undefined where something in it may have to be waited for. */
function partsTogether(stored: LineageCheckpoint): StoredParts | undefined {
  const content = contentText(stored)
  const writes = listText(stored.writes)
  if (content === undefined || writes === undefined || !isUnmarked(stored.metadata) || !isUnmarked(writes)) return undefined
  return JSON.parse(`[${content},${stored.metadata},${writes}]`) as StoredParts
}

async function partsApart(serde: SerializerProtocol, { body, channels, metadata, writes }: LineageCheckpoint): Promise<StoredParts> {
  const [values, [meta], written] = await Promise.all([loadAll(serde, [...channels.values()]), loadAll(serde, [{ type: 'json', bytes: metadata }]), loadAll(serde, writes)])
  return [[JSON.parse(DECODER.decode(body)), ...values], meta, written]
}

/** Lists of a body and its channels' values, by the channels: contents never change, and one that was read is read again. */
const READ_BEFORE = new WeakMap<LineageCheckpoint['channels'], string>()
/** Longer texts take longer to parse than to decode. */
const LONGEST_KEPT = 16_384

/** undefined where it is not JSON alone. */
function contentText({ body, channels }: LineageCheckpoint): string | undefined {
  const known = READ_BEFORE.get(channels)
  if (known !== undefined) return known
  const text = listText([{ type: 'json', bytes: body }, ...channels.values()])
  if (text === undefined || !isUnmarked(text)) return undefined
  if (text.length <= LONGEST_KEPT) READ_BEFORE.set(channels, text)
  return text
}

interface StoredValue {
  readonly type: string
  readonly bytes: Uint8Array | string
}

/** The values in their order; a promise for each only where the serialiser needs one. */
async function loadAll(serde: SerializerProtocol, stored: readonly StoredValue[]): Promise<unknown[]> {
  const text = isFast(serde) ? listText(stored) : undefined
  if (text !== undefined && isUnmarked(text)) return JSON.parse(text) as unknown[]
  return Promise.all(stored.map(({ type, bytes }) => serde.loadsTyped(type, bytes) as Promise<unknown>))
}

function listText(stored: readonly StoredValue[]): string | undefined {
  if (stored.some(({ type }) => type !== 'json')) return undefined
  return `[${stored.map(({ bytes }) => (Buffer.isBuffer(bytes) || typeof bytes === 'string' ? bytes.toString() : DECODER.decode(bytes))).join(',')}]`
}

/** As Object.fromEntries: a channel named `__proto__` becomes a property and nothing else. */
function fromEntries(names: readonly string[], values: readonly unknown[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name, index) => [name, values[index]]))
}
