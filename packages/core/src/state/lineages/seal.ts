import { type KeyObject, createCipheriv, createDecipheriv, createHash, createSecretKey, randomBytes } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { CairnError } from '../../errors/index.ts'
import { ByteReader, ByteWriter, damaged } from './bytes.ts'

const PLAIN = 0
const DEFLATED = 1
const ENCRYPTED = 2

const IV_BYTES = 12
const TAG_BYTES = 16
const KEY_BYTES = 32
/** What is shorter shrinks by less than the time is worth. */
const LEAST_DEFLATED = 2_048
/** Level 3 shrinks JSON to about what level 6 does, in half the time. */
const DEFLATE_LEVEL = 3
const MOST_INFLATED = 1024 * 1024 * 1024

/** AES-256-GCM keys by id: new payloads are sealed with `activeKey`; the others can still be read (rotation). */
export interface LineageEncryption {
  readonly activeKey: string
  /** 32 bytes each, by a key id of 1 to 64 characters. */
  readonly keys: Readonly<Record<string, Uint8Array>>
}

/** Turns payloads into what is stored, and back. `place` says where a payload belongs: sealed for one place, it opens nowhere else. */
export interface Sealer {
  /** Differs between sealers that cannot read each other's payloads. */
  readonly id: string
  readonly encrypts: boolean
  seal(payload: Uint8Array, place: string): Uint8Array
  open(stored: Uint8Array, place: string): Uint8Array
}

export const PLAIN_SEALER: Sealer = {
  id: '',
  encrypts: false,
  seal: compress,
  open(stored, place) {
    if (stored[0] === ENCRYPTED) {
      throw new CairnError('PAYLOAD_ENCRYPTED', `${place}: the payload is encrypted, and no key was given. Pass \`encryption\` with the key it was written with.`)
    }
    return inflate(stored)
  },
}

/** INVALID_OPTION for keys that are not 32 bytes, or an active key that is not among them. */
export function makeSealer(encryption: LineageEncryption | undefined): Sealer {
  if (encryption === undefined) return PLAIN_SEALER
  const keys = new Map<string, KeyObject>()
  for (const [id, key] of Object.entries(encryption.keys)) {
    if (id === '' || id.length > 64 || !(key instanceof Uint8Array) || key.length !== KEY_BYTES) {
      throw new CairnError('INVALID_OPTION', `encryption.keys: the key ${JSON.stringify(id)} must be ${KEY_BYTES} bytes under an id of 1 to 64 characters.`, { details: { option: 'encryption.keys' } })
    }
    keys.set(id, createSecretKey(key))
  }
  const active = keys.get(encryption.activeKey)
  if (active === undefined) {
    throw new CairnError('INVALID_OPTION', `encryption.activeKey: no key ${JSON.stringify(encryption.activeKey)} is among encryption.keys.`, { details: { option: 'encryption.activeKey' } })
  }
  const id = createHash('sha256')
  for (const [name, key] of [...keys].sort(([a], [b]) => (a < b ? -1 : 1))) id.update(`${name}\n`).update(key.export())
  return {
    id: id.digest('hex'),
    encrypts: true,
    seal: (payload, place) => encrypt(compress(payload), place, encryption.activeKey, active),
    open: (stored, place) => inflate(decrypt(stored, place, keys)),
  }
}

function compress(payload: Uint8Array): Uint8Array {
  if (payload.length >= LEAST_DEFLATED) {
    const small = deflateRawSync(payload, { level: DEFLATE_LEVEL })
    if (small.length < payload.length * 0.9) return Buffer.concat([Buffer.of(DEFLATED), small])
  }
  const stored = Buffer.allocUnsafe(payload.length + 1)
  stored[0] = PLAIN
  stored.set(payload, 1)
  return stored
}

function inflate(stored: Uint8Array): Uint8Array {
  const payload = stored.subarray(1)
  if (stored[0] === PLAIN) return payload
  if (stored[0] !== DEFLATED) throw damaged(`its form ${String(stored[0])} is unknown`)
  try {
    return inflateRawSync(payload, { maxOutputLength: MOST_INFLATED })
  } catch {
    throw damaged('it cannot be decompressed')
  }
}

function encrypt(payload: Uint8Array, place: string, keyId: string, key: KeyObject): Uint8Array {
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, iv)
  cipher.setAAD(Buffer.from(place))
  const secret = Buffer.concat([cipher.update(payload), cipher.final()])
  const out = new ByteWriter(secret.length + 128)
  out.byte(ENCRYPTED)
  out.text(keyId)
  out.raw(iv)
  out.raw(cipher.getAuthTag())
  out.raw(secret)
  return out.done()
}

function decrypt(stored: Uint8Array, place: string, keys: ReadonlyMap<string, KeyObject>): Uint8Array {
  const reader = new ByteReader(stored)
  if (reader.byte() !== ENCRYPTED) {
    throw new CairnError('PAYLOAD_UNAUTHENTICATED', `${place}: the stored payload is not encrypted, so nothing proves who wrote it. It is refused because encryption is on.`)
  }
  const keyId = reader.text()
  const key = keys.get(keyId)
  if (key === undefined) throw new CairnError('PAYLOAD_ENCRYPTED', `${place}: the payload was encrypted with the key ${JSON.stringify(keyId)}, which is not among encryption.keys.`, { details: { keyId } })
  const iv = reader.raw(IV_BYTES)
  const tag = reader.raw(TAG_BYTES)
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.from(place))
    decipher.setAuthTag(tag)
    const start = stored.length - reader.rest
    return Buffer.concat([decipher.update(stored.subarray(start)), decipher.final()])
  } catch {
    throw new CairnError('PAYLOAD_UNAUTHENTICATED', `${place}: the stored payload was changed, moved from another place, or encrypted with another key of the same id. It is refused.`)
  }
}
