import { CairnError } from '../../errors/index.ts'

/** Names and versions are shorter and mostly ASCII: those are copied here, as a call into native code costs more than they do. */
const SHORT_TEXT = 64

/** Grows as it is written to: unsigned LEB128 numbers, UTF-8 text and bytes, each with its length in front. */
export class ByteWriter {
  #bytes: Buffer
  #length = 0

  constructor(capacity = 256) {
    this.#bytes = Buffer.allocUnsafe(capacity)
  }

  byte(value: number): void {
    this.#room(1)
    this.#bytes[this.#length++] = value
  }

  number(value: number): void {
    this.#room(8)
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#length++] = rest
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  bytes(bytes: Uint8Array): void {
    this.number(bytes.length)
    this.raw(bytes)
  }

  text(text: string): void {
    if (text.length < SHORT_TEXT && this.#ascii(text)) return
    const length = Buffer.byteLength(text)
    this.number(length)
    this.#room(length)
    this.#length += this.#bytes.write(text, this.#length, 'utf8')
  }

  #ascii(text: string): boolean {
    this.#room(text.length + 1)
    let at = this.#length
    this.#bytes[at++] = text.length
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index)
      if (code >= 0x80) return false
      this.#bytes[at++] = code
    }
    this.#length = at
    return true
  }

  done(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  #room(more: number): void {
    const needed = this.#length + more
    if (needed <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}

/** Reads what ByteWriter wrote; CONSISTENCY_VIOLATION where the bytes end too early. */
export class ByteReader {
  readonly #bytes: Buffer
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get done(): boolean {
    return this.#position >= this.#bytes.length
  }

  /** Bytes not read yet. */
  get rest(): number {
    return this.#bytes.length - this.#position
  }

  byte(): number {
    const value = this.#bytes[this.#position++]
    if (value === undefined) throw damaged('it ends too early')
    return value
  }

  number(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) break
      scale *= 0x80
    }
    if (!Number.isSafeInteger(value)) throw damaged('a number in it is too large')
    return value
  }

  raw(length: number): Uint8Array {
    const end = this.#position + length
    if (end > this.#bytes.length) throw damaged('it ends too early')
    const bytes = this.#bytes.subarray(this.#position, end)
    this.#position = end
    return bytes
  }

  bytes(): Uint8Array {
    return this.raw(this.number())
  }

  text(): string {
    const end = this.number() + this.#position
    if (end > this.#bytes.length) throw damaged('it ends too early')
    const text = this.#bytes.toString('utf8', this.#position, end)
    this.#position = end
    return text
  }
}

export function damaged(why: string): CairnError {
  return new CairnError('CONSISTENCY_VIOLATION', `A stored checkpoint is damaged: ${why}. Use an older one, or restore the thread from a backup.`)
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && Buffer.compare(a, b) === 0)
}
