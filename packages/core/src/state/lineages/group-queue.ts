interface Waiting<Op, Result> {
  readonly op: Op
  resolve(result: Result): void
  reject(error: unknown): void
}

export interface GroupQueueOptions<Op, Result> {
  /** Statements on the way at once. */
  readonly lanes: number
  readonly maxOps: number
  readonly maxBytes: number
  bytesOf(op: Op): number
  /** Ops with a key in common never share a batch. */
  keysOf?(op: Op): readonly string[]
  /** One result or error an op, in order. */
  run(ops: readonly Op[]): Promise<readonly (Result | GroupError)[]>
}

/** The failure of one op of a batch. */
export class GroupError {
  readonly error: unknown

  constructor(error: unknown) {
    this.error = error
  }
}

/** Group commit: while a batch is on its way, the next one collects. A caller that is alone waits for nobody. */
export class GroupQueue<Op, Result> {
  readonly #options: GroupQueueOptions<Op, Result>
  #waiting: Waiting<Op, Result>[] = []
  #running = 0
  #scheduled = false
  #idle: (() => void)[] = []

  constructor(options: GroupQueueOptions<Op, Result>) {
    this.#options = options
  }

  submit(op: Op): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ op, resolve, reject })
      this.#schedule()
    })
  }

  get busy(): boolean {
    return this.#waiting.length > 0 || this.#running > 0
  }

  /** Resolves when nothing is waiting or on its way. */
  async drained(): Promise<void> {
    if (this.busy) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  /**
   * When the promises that are settled now have run on, or, while others are on their way, at the end of this turn of the
   * event loop: what is submitted together goes together, and a caller that is alone does not wait for a turn.
   */
  #schedule(): void {
    if (this.#scheduled || this.#running >= this.#options.lanes) return
    this.#scheduled = true
    const begin = (): void => {
      this.#scheduled = false
      while (this.#running < this.#options.lanes && this.#waiting.length > 0) void this.#run(this.#take())
    }
    if (this.#running === 0) process.nextTick(begin)
    else setImmediate(begin)
  }

  #take(): Waiting<Op, Result>[] {
    const options = this.#options
    const batch: Waiting<Op, Result>[] = []
    const held: Waiting<Op, Result>[] = []
    const keys = new Set<string>()
    let bytes = 0
    let at = 0
    for (; at < this.#waiting.length && batch.length < options.maxOps && (bytes < options.maxBytes || batch.length === 0); at++) {
      const waiting = this.#waiting[at] as Waiting<Op, Result>
      const own = options.keysOf?.(waiting.op) ?? []
      const clash = own.some((key) => keys.has(key))
      for (const key of own) keys.add(key)
      if (clash) {
        held.push(waiting)
        continue
      }
      batch.push(waiting)
      bytes += options.bytesOf(waiting.op)
    }
    this.#waiting = [...held, ...this.#waiting.slice(at)]
    return batch
  }

  async #run(batch: readonly Waiting<Op, Result>[]): Promise<void> {
    this.#running++
    try {
      const results = await this.#options.run(batch.map(({ op }) => op))
      for (const [index, waiting] of batch.entries()) {
        const result = results[index] as Result | GroupError
        if (result instanceof GroupError) waiting.reject(result.error)
        else waiting.resolve(result)
      }
    } catch (error) {
      for (const waiting of batch) waiting.reject(error)
    } finally {
      this.#running--
      if (this.#waiting.length > 0) this.#schedule()
      else if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve()
    }
  }
}
