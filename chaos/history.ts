/** What the processes of a run did to the keys they share, and the laws that must hold for it. */

/** A read that returned; revision 0 and value '-' when the key was not there. Times in nanoseconds of the machine's monotonic clock. */
export interface ReadEvent {
  readonly kind: 'read'
  readonly process: number
  readonly key: number
  readonly start: bigint
  readonly end: bigint
  readonly revision: number
  readonly value: string
}

/** A compare-and-set of a fresh value over the one that was read before. */
export interface WriteEvent {
  readonly kind: 'write'
  readonly process: number
  readonly key: number
  readonly value: string
  readonly previous: string
  readonly expected: number
  readonly start: bigint
  end: bigint | undefined
  /** `unknown`: the process was killed, or the answer was lost. */
  outcome: 'acknowledged' | 'refused' | 'unknown'
  revision: number
}

/** What a key holds in the end, through the library and in SQL. */
export interface FinalState {
  readonly key: number
  readonly where: string
  readonly revision: number
  readonly value: string
}

/**
 * Every breach of: of those who expected one revision at most one wins; no acknowledged write is missing from the chain
 * that leads to the final value; a process never sees an older revision after a newer one; a write that began after
 * another was acknowledged has the higher revision; a value read was written by somebody.
 */
export function breaches(reads: readonly ReadEvent[], writes: readonly WriteEvent[], finals: readonly FinalState[]): string[] {
  const found: string[] = []
  const byValue = new Map(writes.map((write) => [write.value, write]))
  for (const read of reads) {
    if (read.value !== '-' && !byValue.has(read.value)) found.push(`key ${read.key}: ${read.value} was read, but nobody wrote it`)
  }
  const acknowledged = writes.filter((write) => write.outcome === 'acknowledged')
  found.push(...twoWinners(acknowledged), ...staleAfterFresh(reads, acknowledged), ...outOfOrder(acknowledged))
  for (const final of finals) found.push(...lost(final, byValue, acknowledged))
  return found
}

function twoWinners(acknowledged: readonly WriteEvent[]): string[] {
  const winners = new Map<string, WriteEvent>()
  const found: string[] = []
  for (const write of acknowledged) {
    const place = `${write.key}@${write.expected}`
    const other = winners.get(place)
    if (other !== undefined) found.push(`key ${write.key}: ${other.value} and ${write.value} both won over revision ${write.expected}`)
    winners.set(place, write)
  }
  return found
}

function lost(final: FinalState, byValue: ReadonlyMap<string, WriteEvent>, acknowledged: readonly WriteEvent[]): string[] {
  const chain = new Set<string>()
  for (let value = final.value; value !== '-' && !chain.has(value); value = byValue.get(value)?.previous ?? '-') chain.add(value)
  return acknowledged
    .filter((write) => write.key === final.key && !chain.has(write.value))
    .map((write) => `key ${write.key}: ${write.value} was acknowledged at revision ${write.revision}, but ${final.where} ends in ${final.value} at revision ${final.revision} without it`)
}

/** For each process and key, in the order of time: nothing that begins after an event ended may show less than it. */
function staleAfterFresh(reads: readonly ReadEvent[], acknowledged: readonly WriteEvent[]): string[] {
  const found: string[] = []
  const seen = new Map<string, { start: bigint; end: bigint; revision: number; isRead: boolean }[]>()
  const add = (process: number, key: number, start: bigint, end: bigint, revision: number, isRead: boolean): void => {
    const id = `${process}/${key}`
    const list = seen.get(id)
    if (list === undefined) seen.set(id, [{ start, end, revision, isRead }])
    else list.push({ start, end, revision, isRead })
  }
  for (const read of reads) add(read.process, read.key, read.start, read.end, read.revision, true)
  for (const write of acknowledged) add(write.process, write.key, write.start, write.end as bigint, write.revision, false)
  for (const [id, events] of seen) {
    const byEnd = [...events].sort((a, b) => compare(a.end, b.end))
    let ended = 0
    let freshest = 0
    for (const event of events.sort((a, b) => compare(a.start, b.start))) {
      for (let next = byEnd[ended]; next !== undefined && next.end < event.start; next = byEnd[++ended]) freshest = Math.max(freshest, next.revision)
      if (event.isRead && event.revision < freshest) found.push(`process/key ${id}: revision ${event.revision} was read after revision ${freshest}`)
    }
  }
  return found
}

function outOfOrder(acknowledged: readonly WriteEvent[]): string[] {
  const found: string[] = []
  const byKey = Map.groupBy(acknowledged, (write) => write.key)
  for (const [key, writes] of byKey) {
    const byEnd = [...writes].sort((a, b) => compare(a.end as bigint, b.end as bigint))
    let ended = 0
    let highest = 0
    for (const write of writes.sort((a, b) => compare(a.start, b.start))) {
      for (let next = byEnd[ended]; next !== undefined && (next.end as bigint) < write.start; next = byEnd[++ended]) highest = Math.max(highest, next.revision)
      if (write.revision <= highest) found.push(`key ${key}: ${write.value} got revision ${write.revision} after ${highest} had been acknowledged`)
    }
  }
  return found
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}
