/** Runs `operation` `count` times with `inFlight` callers; operations a second. */
export async function throughput(count: number, inFlight: number, operation: (index: number) => Promise<unknown>): Promise<number> {
  let next = 0
  const started = performance.now()
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (next < count) await operation(next++)
    }),
  )
  return count / ((performance.now() - started) / 1000)
}

/** Offers `perSecond` operations for `seconds`, whether or not the earlier ones are done (open loop). */
export async function openLoop(perSecond: number, seconds: number, operation: (index: number) => Promise<unknown>): Promise<void> {
  const started = performance.now()
  const running = new Set<Promise<unknown>>()
  let sent = 0
  while (performance.now() - started < seconds * 1000) {
    const due = Math.floor(((performance.now() - started) / 1000) * perSecond)
    while (sent < due) {
      const run: Promise<unknown> = operation(sent++).finally(() => running.delete(run))
      running.add(run)
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await Promise.all(running)
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}
