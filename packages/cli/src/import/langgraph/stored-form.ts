import { isDeepStrictEqual } from 'node:util'
import { type AppendCheckpoint, CairnError, type ChannelValue, type LineageCheckpoint, type LineageWrite } from '@cairn/core'
import type { OfficialCheckpoint } from './official-tables.ts'

const ENCODER = new TextEncoder()
const DECODER = new TextDecoder()

/** A checkpoint in the form that CairnCheckpointSaver stores, with its writes by task. */
export interface Converted {
  readonly append: AppendCheckpoint
  readonly writes: ReadonlyMap<string, readonly LineageWrite[]>
}

export interface Difference {
  /** What differs of the checkpoint itself. */
  readonly parts: readonly ('parent' | 'checkpoint' | 'metadata' | 'channels')[]
  /** 'more': all writes are there, and others besides. */
  readonly writes: 'same' | 'more' | 'differ'
}

/** Bytes and types pass through. IMPORT_MALFORMED where PostgresSaver itself could not read it, or could not have written it. */
export function convert(thread: string, path: string, official: OfficialCheckpoint): Converted {
  const { id, parentId } = official
  const place = `Checkpoint ${id} of thread ${thread}${path === '' ? '' : `, path ${path}`}`
  const malformed = (why: string): CairnError => new CairnError('IMPORT_MALFORMED', `${place}: ${why}`, { details: { thread, path, checkpoint: id } })
  const parsed: unknown = JSON.parse(official.checkpoint)
  if (!isObject(parsed)) throw malformed('its checkpoint is not a JSON object.')
  const { id: own, channel_values: _values, ...body } = parsed
  if (own !== id) throw malformed(`its checkpoint says that its id is ${JSON.stringify(own)}.`)
  const versions = body['channel_versions'] ?? {}
  if (!isObject(versions)) throw malformed('its channel_versions are not a JSON object.')
  if (!isObject(JSON.parse(official.metadata))) throw malformed('its metadata are not a JSON object.')
  const channels = new Map<string, ChannelValue>()
  for (const [name, { version, type, bytes }] of official.channels) {
    if (bytes === null) throw malformed(`its channel ${JSON.stringify(name)} has no value at version ${version}, only the type ${JSON.stringify(type)}.`)
    channels.set(name, { version, type, bytes })
  }
  const writes = new Map<string, LineageWrite[]>()
  for (const { taskId, index, channel, type, bytes } of official.writes) {
    if (type === null) throw malformed(`the write ${index} of its task ${taskId} has no type.`)
    const ofTask = writes.get(taskId) ?? []
    ofTask.push({ index, channel, type, bytes })
    writes.set(taskId, ofTask)
  }
  const append: AppendCheckpoint = {
    thread,
    path,
    id,
    ...(parentId === null ? {} : { parentId }),
    body: ENCODER.encode(JSON.stringify(body)),
    metadata: official.metadata,
    versions: new Map([...channels].map(([name, { version }]) => [name, version])),
    changed: channels,
  }
  return { append, writes }
}

/** Undefined when what is stored is the same. */
export function difference({ append, writes }: Converted, stored: LineageCheckpoint): Difference | undefined {
  const parts: Difference['parts'][number][] = []
  if (append.parentId !== stored.parentId) parts.push('parent')
  if (!sameJson(DECODER.decode(append.body), DECODER.decode(stored.body))) parts.push('checkpoint')
  if (!sameJson(append.metadata, stored.metadata)) parts.push('metadata')
  if (!sameChannels(append.changed, stored.channels)) parts.push('channels')
  const state = compareWrites(writes, stored)
  return parts.length === 0 && state === 'same' ? undefined : { parts, writes: state }
}

function compareWrites(writes: Converted['writes'], stored: LineageCheckpoint): Difference['writes'] {
  const there = new Map(stored.writes.map((write) => [keyOf(write.taskId, write.index), write]))
  let expected = 0
  for (const [taskId, ofTask] of writes) {
    for (const { index, channel, type, bytes } of ofTask) {
      expected++
      const write = there.get(keyOf(taskId, index))
      if (write === undefined || write.channel !== channel || write.type !== type || !sameBytes(write.bytes, bytes)) return 'differ'
    }
  }
  return expected === stored.writes.length ? 'same' : 'more'
}

function sameChannels(a: ReadonlyMap<string, ChannelValue>, b: ReadonlyMap<string, ChannelValue>): boolean {
  if (a.size !== b.size) return false
  for (const [name, { version, type, bytes }] of a) {
    const other = b.get(name)
    if (other === undefined || other.version !== version || other.type !== type || !sameBytes(other.bytes, bytes)) return false
  }
  return true
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

function sameJson(a: string, b: string): boolean {
  return a === b || isDeepStrictEqual(JSON.parse(a), JSON.parse(b))
}

function keyOf(taskId: string, index: number): string {
  return JSON.stringify([taskId, index])
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
