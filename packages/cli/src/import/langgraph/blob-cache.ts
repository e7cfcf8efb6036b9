/** Values read last, by name; the oldest go when it holds more than `mostBytes`. */
export class BlobCache {
  readonly #mostBytes: number
  readonly #blobs = new Map<string, Uint8Array>()
  #bytes = 0

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  get(name: string): Uint8Array | undefined {
    const blob = this.#blobs.get(name)
    if (blob !== undefined) {
      this.#blobs.delete(name)
      this.#blobs.set(name, blob)
    }
    return blob
  }

  set(name: string, blob: Uint8Array): void {
    this.#bytes += blob.length - (this.#blobs.get(name)?.length ?? 0)
    this.#blobs.delete(name)
    this.#blobs.set(name, blob)
    for (const [oldest, { length }] of this.#blobs) {
      if (this.#bytes <= this.#mostBytes) return
      this.#blobs.delete(oldest)
      this.#bytes -= length
    }
  }
}
