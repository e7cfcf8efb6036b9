/** The value of one channel, as the caller's serialiser made it. */
export interface ChannelValue {
  /** The channel's version; a channel of the next checkpoint with the same version has the same value. */
  readonly version: string
  /** The serialiser's name for the form of the bytes. */
  readonly type: string
  readonly bytes: Uint8Array
}

/** All that a checkpoint holds. Never changed once made: it is shared between callers, caches and later checkpoints. */
export interface LineageContent {
  readonly body: Uint8Array
  readonly channels: ReadonlyMap<string, ChannelValue>
  /** The metadata's JSON where jsonb cannot hold it (U+0000, lone surrogates); empty otherwise. */
  readonly exactMetadata: string
}

/** Bytes of the values and names: what storing it whole would cost. */
export function contentBytes(content: LineageContent): number {
  let bytes = content.body.length
  for (const [name, { version, bytes: value }] of content.channels) bytes += name.length + version.length + value.length + 6
  return bytes
}
