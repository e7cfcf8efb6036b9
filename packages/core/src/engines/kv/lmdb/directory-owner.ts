import { readFileSync } from 'node:fs'
import type { Database } from 'lmdb'
import { CairnError } from '../../../errors/index.ts'

const OWNER_KEY = Buffer.from('owner')

interface Owner {
  readonly pid: number
  /** Tells two processes that had the same pid one after the other apart. Empty where the system does not say. */
  readonly startedAt: string
}

/**
 * Makes this process the owner of the environment, or throws DATA_DIR_LOCKED. Revisions are given out in
 * memory, so there may be one writer only. The check and the claim are one LMDB write transaction, which is
 * exclusive across processes: two processes that find a dead owner cannot both take its place.
 */
export function claimDirectory(meta: Database<Buffer, Buffer>, path: string): void {
  const me: Owner = { pid: process.pid, startedAt: startOf(process.pid) ?? '' }
  const other = meta.transactionSync(() => {
    const found = readOwner(meta)
    if (found && !sameOwner(found, me) && isAlive(found)) return found
    meta.putSync(OWNER_KEY, Buffer.from(JSON.stringify(me)))
    return undefined
  })
  if (other) {
    throw new CairnError('DATA_DIR_LOCKED', `${path} is used by process ${other.pid}. Stop it, or use another directory.`, {
      details: { path, pid: other.pid },
    })
  }
}

export function releaseDirectory(meta: Database<Buffer, Buffer>): void {
  meta.removeSync(OWNER_KEY)
}

function readOwner(meta: Database<Buffer, Buffer>): Owner | undefined {
  const bytes = meta.getBinary(OWNER_KEY)
  return bytes && (JSON.parse(bytes.toString()) as Owner)
}

function sameOwner(a: Owner, b: Owner): boolean {
  return a.pid === b.pid && a.startedAt === b.startedAt
}

function isAlive(owner: Owner): boolean {
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  const startedAt = startOf(owner.pid)
  return startedAt === undefined || startedAt === owner.startedAt
}

/** Start time in clock ticks since boot, with the boot's id; undefined where /proc is missing. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A killed process that nobody has waited for yet still has its pid; it writes no more.
    if (fields[0] === 'Z' || fields[0] === 'X') return 'ended'
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${fields[19]}`
  } catch {
    return undefined
  }
}
