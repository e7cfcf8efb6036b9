import { readFileSync, readdirSync } from 'node:fs'

/** Linux counts in hundredths of a second. */
const TICK_US = 10_000

interface Stat {
  readonly parent: number
  readonly ownUs: number
  /** Of children that have ended. */
  readonly endedUs: number
}

/**
 * Processor time in µs that the processes below `pid` have used, with itself when `own` is asked for; of a PostgreSQL server that is all of its
 * backends, also those that have gone. What it says of a piece of work hardly depends on who else uses the machine. NaN without /proc.
 */
export function cpuBelow(pid: number, own = false): number {
  const root = stat(pid)
  if (root === undefined) return Number.NaN
  const children = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map((name) => stat(Number(name)))
  const below = children.reduce((sum, child) => sum + (child?.parent === pid ? child.ownUs : 0), 0)
  return below + (own ? root.ownUs + root.endedUs : 0)
}

export function cpuOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (stat(pid)?.ownUs ?? Number.NaN), 0)
}

function stat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in the brackets may hold anything.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ').map(Number)
    const at = (index: number): number => fields[index] ?? 0
    return { parent: at(1), ownUs: (at(11) + at(12)) * TICK_US, endedUs: (at(13) + at(14)) * TICK_US }
  } catch {
    return undefined
  }
}
