import { type Cairn, isCairnError } from '@cairn/core'

/** Between two events of a publisher: a relay that shares the processor with them need not fall behind for ever. */
const PAUSE_MS = 3

/** Publishers that go on until they are stopped; each publishes 0, 1, 2, … to its own entity, again with the same id when in doubt. */
export class EventLoad {
  readonly #cairn: Cairn
  readonly #publishers: Promise<void>[]
  readonly acknowledged: number[]
  readonly errors = new Map<string, number>()
  #stopped = false

  constructor(cairn: Cairn, publishers: number) {
    this.#cairn = cairn
    this.acknowledged = Array.from({ length: publishers }, () => 0)
    this.#publishers = this.acknowledged.map((_, publisher) => this.#publish(publisher))
  }

  get total(): number {
    return this.acknowledged.reduce((sum, count) => sum + count, 0)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#publishers)
  }

  async #publish(publisher: number): Promise<void> {
    for (let n = 0; !this.#stopped; ) {
      try {
        // Every third within a transaction of its own.
        const options = { id: `p${publisher}-${n}` }
        const { events, engines, identity } = this.#cairn
        if (n % 3 > 0) await events.publish(`events.load.p${publisher}`, n, options)
        else await engines.sql.transaction(identity, (tx) => events.publish(`events.load.p${publisher}`, n, { ...options, tx }))
        this.acknowledged[publisher] = ++n
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
      } catch (error) {
        const code = isCairnError(error) ? error.code : String(error)
        this.errors.set(code, (this.errors.get(code) ?? 0) + 1)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }
}

export interface Verdict {
  readonly stored: number
  readonly lost: number
  readonly doubled: number
  readonly outOfOrder: number
}

/** Reads the whole log of JetStream and compares: every acknowledged event once, in order per entity. Gives up when nothing has come for `patienceMs`. */
export async function checkLog(cairn: Cairn, load: EventLoad, patienceMs = 30_000): Promise<Verdict> {
  const seen = load.acknowledged.map(() => new Set<number>())
  const highest = load.acknowledged.map(() => -1)
  let [stored, doubled, outOfOrder] = [0, 0, 0]
  const missing = (): number => load.acknowledged.reduce((sum, count, publisher) => sum + Array.from({ length: count }, (_, n) => n).filter((n) => !(seen[publisher] as Set<number>).has(n)).length, 0)
  const settled = new AbortController()
  // All is there when the outbox is empty and the log is read to its end; by then, what should not come has come as well.
  const watch = (async () => {
    for (let [seenAt, before] = [performance.now(), -1]; performance.now() - seenAt < patienceMs; ) {
      if (stored !== before) [seenAt, before] = [performance.now(), stored]
      const status = await cairn.events.status().catch(() => undefined)
      const inLog = status?.streams.find(({ name }) => name === 'EVENTS')?.messages ?? Infinity
      if (status?.relay?.waiting === 0 && stored >= inLog && missing() === 0) break
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    settled.abort()
  })()
  for await (const { subject, payload } of cairn.events.tail({ stream: 'EVENTS', filter: 'events.load.>', from: 'all', signal: settled.signal })) {
    const publisher = Number(subject.slice('events.load.p'.length))
    const n = payload as number
    stored++
    const own = seen[publisher] as Set<number>
    if (own.has(n)) doubled++
    else {
      if (n < (highest[publisher] as number)) outOfOrder++
      highest[publisher] = Math.max(n, highest[publisher] as number)
      own.add(n)
    }
  }
  await watch
  return { stored, lost: missing(), doubled, outOfOrder }
}
