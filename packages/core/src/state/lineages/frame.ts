import { ByteReader, ByteWriter, damaged, sameBytes } from './bytes.ts'
import type { ChannelValue, LineageContent } from './content.ts'
import { applyDelta, encodeDelta } from './delta.ts'

const WHOLE = 1
const CHANGES = 2

const PUT = 0
const PATCH = 1
const REMOVE = 2
/** What is shorter is stored as it is: looking for what changed would save a few bytes. */
const LEAST_PATCHED = 24

/** Types that need no text of their own in a frame. The numbers are stored: never reuse one. */
const TYPE_CODES: readonly string[] = ['', 'json', 'bytes']

/** A checkpoint as stored: whole, or (with `base`) only what differs from the checkpoint before it. */
export function encodeFrame(content: LineageContent, base?: LineageContent): Uint8Array {
  const out = new ByteWriter(1024)
  out.byte(base === undefined ? WHOLE : CHANGES)
  out.bytes(base === undefined ? content.body : encodeDelta(base.body, content.body))
  out.text(content.exactMetadata)
  const places = new Map<string, number>()
  if (base !== undefined) for (const name of base.channels.keys()) places.set(name, places.size + 1)
  for (const [name, channel] of content.channels) {
    const before = base?.channels.get(name)
    if (before === channel || (before !== undefined && sameChannel(before, channel))) continue
    writeName(out, name, places)
    writeValue(out, channel, before)
  }
  if (base !== undefined) {
    for (const name of base.channels.keys()) {
      if (content.channels.has(name)) continue
      writeName(out, name, places)
      out.byte(REMOVE)
    }
  }
  return out.done()
}

/** The content again. CONSISTENCY_VIOLATION for damaged bytes, or when a frame of changes comes without its base. */
export function decodeFrame(frame: Uint8Array, base: LineageContent | undefined): LineageContent {
  const reader = new ByteReader(frame)
  const kind = reader.byte()
  if (kind !== WHOLE && kind !== CHANGES) throw damaged(`it begins with ${kind}, which no release wrote`)
  if (kind === CHANGES && base === undefined) throw damaged('the checkpoint it is based on is missing')
  const before = kind === CHANGES ? base : undefined
  const body = before === undefined ? reader.bytes() : applyDelta(before.body, reader.bytes())
  const exactMetadata = reader.text()
  const channels = new Map(before?.channels)
  const names = before === undefined ? [] : [...before.channels.keys()]
  while (!reader.done) {
    const place = reader.number()
    const name = place === 0 ? reader.text() : names[place - 1]
    if (name === undefined) throw damaged('it names a channel that its base does not have')
    const value = readValue(reader, before?.channels.get(name))
    if (value === undefined) channels.delete(name)
    else channels.set(name, value)
  }
  return { body, channels, exactMetadata }
}

export function sameContent(a: LineageContent, b: LineageContent): boolean {
  if (a.channels.size !== b.channels.size || !sameBytes(a.body, b.body)) return false
  for (const [name, channel] of a.channels) {
    const other = b.channels.get(name)
    if (other === undefined || !sameChannel(channel, other)) return false
  }
  return true
}

function sameChannel(a: ChannelValue, b: ChannelValue): boolean {
  return a.version === b.version && a.type === b.type && sameBytes(a.bytes, b.bytes)
}

function writeName(out: ByteWriter, name: string, places: ReadonlyMap<string, number>): void {
  const place = places.get(name) ?? 0
  out.number(place)
  if (place === 0) out.text(name)
}

function writeValue(out: ByteWriter, channel: ChannelValue, before: ChannelValue | undefined): void {
  const delta = before === undefined || channel.bytes.length < LEAST_PATCHED ? undefined : encodeDelta(before.bytes, channel.bytes)
  const smaller = delta !== undefined && delta.length < channel.bytes.length
  out.byte(smaller ? PATCH : PUT)
  out.text(channel.version)
  const code = TYPE_CODES.indexOf(channel.type, 1)
  out.byte(Math.max(0, code))
  if (code < 1) out.text(channel.type)
  out.bytes(smaller ? delta : channel.bytes)
}

function readValue(reader: ByteReader, before: ChannelValue | undefined): ChannelValue | undefined {
  const mode = reader.byte()
  if (mode === REMOVE) return undefined
  const version = reader.text()
  const code = reader.byte()
  const type = code === 0 ? reader.text() : TYPE_CODES[code]
  if (type === undefined) throw damaged(`it has a type ${code}, which no release wrote`)
  const bytes = reader.bytes()
  if (mode === PUT) return { version, type, bytes }
  if (before === undefined) throw damaged('it changes a value that its base does not have')
  return { version, type, bytes: applyDelta(before.bytes, bytes) }
}
