/** An entry of the journal on its way to SQL. */
export interface OpenEntry {
  /** Its revision is greater. */
  floor: number
}

/** How far SQL has what one process put into the journal: it has all entries up to `stored`. */
export class StoredMark {
  readonly #open = new Set<OpenEntry>()
  #seen = 0

  /** Before the entry is put: the bucket will number it higher than all that was acknowledged so far. */
  begin(): OpenEntry {
    const entry = { floor: this.#seen }
    this.#open.add(entry)
    return entry
  }

  acknowledged(entry: OpenEntry, revision: number): void {
    // A bucket that was lost and made again counts from 1 again: nothing of it is known to be stored.
    if (revision <= entry.floor) for (const open of this.#open) open.floor = 0
    entry.floor = revision - 1
    this.#seen = Math.max(this.#seen, revision)
  }

  /** The bucket was lost and made again: of what comes, nothing is known to be stored. */
  renew(): void {
    this.#seen = 0
    for (const open of this.#open) open.floor = 0
  }

  /** SQL has it, or it was never stored. */
  end(entry: OpenEntry): void {
    this.#open.delete(entry)
  }

  get stored(): number {
    let stored = this.#seen
    for (const { floor } of this.#open) if (floor < stored) stored = floor
    return stored
  }
}
