import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { link, mkdir, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CairnError } from '../../../errors/index.ts'

interface Owner {
  readonly pid: number
  /** Tells two processes apart that had the same id, one after the other. */
  readonly startTime: string
  readonly boot: string
  readonly host: string
  readonly token: string
}

/** Of file systems that have no hard links, such as exFAT and some network shares. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])
const HALF_WRITTEN_RETRIES = 20
const HALF_WRITTEN_WAIT_MS = 25

/**
 * Takes the lock of a data directory: the file `<path>` with the id of the owner. Resolves with the function
 * that gives it back. Throws DATA_DIR_LOCKED, naming the process, while the owner lives, however old the file is.
 * The lock of a dead owner is taken over; of several that try, one succeeds.
 */
export async function lockDataDir(path: string, dataDir: string): Promise<() => Promise<void>> {
  await mkdir(dirname(path), { recursive: true })
  const token = await acquire(path, dataDir)
  return async () => {
    // Only its own: after a takeover by mistake the file belongs to another.
    if ((await readOwner(path))?.token === token) await rm(path, { force: true })
  }
}

async function acquire(path: string, dataDir: string): Promise<string> {
  const token = randomUUID()
  const draft = `${path}.${token}`
  await writeFile(draft, JSON.stringify(thisProcess(token)))
  try {
    for (;;) {
      if (await create(draft, path)) return token
      const text = await readText(path)
      if (text === undefined) continue
      const owner = parseOwner(text)
      if (owner !== undefined && isLiving(owner)) throw lockedError(owner, path, dataDir)
      if (await takeOver(path, text, owner, draft, dataDir)) return token
    }
  } finally {
    await rm(draft, { force: true })
  }
}

/** Makes the lock file unless there is one. Unlike a file that is created and then written, a link appears with its content. */
async function create(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path)
    return true
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (code === 'EEXIST') return false
    if (!NO_LINKS.has(code)) throw error
  }
  try {
    await writeFile(path, await readFile(draft), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Whoever holds the lock named after the dead owner, and only it, may replace the file of that owner. */
async function takeOver(path: string, text: string, owner: Owner | undefined, draft: string, dataDir: string): Promise<boolean> {
  const guard = `${path}.takeover-${owner?.token ?? 'unreadable'}`
  let release: () => Promise<void>
  try {
    const token = await acquire(guard, dataDir)
    release = async () => {
      if ((await readOwner(guard))?.token === token) await unlink(guard)
    }
  } catch (error) {
    if (!(error instanceof CairnError)) throw error
    await sleep(HALF_WRITTEN_WAIT_MS)
    return false
  }
  try {
    if ((await readText(path)) !== text) return false
    const copy = `${draft}.new`
    await writeFile(copy, await readFile(draft))
    await rename(copy, path)
    return true
  } finally {
    await release()
  }
}

function thisProcess(token: string): Owner {
  return { pid: process.pid, startTime: startTimeOf(process.pid) ?? '', boot: bootId(), host: hostname(), token }
}

function isLiving(owner: Owner): boolean {
  // A process of another machine, or of another container, cannot be asked.
  if (owner.host !== hostname()) return true
  if (owner.boot !== bootId()) return false
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  const startTime = startTimeOf(owner.pid)
  return startTime === undefined ? owner.startTime === '' : startTime === owner.startTime
}

function lockedError(owner: Owner, path: string, dataDir: string): CairnError {
  const here = owner.host === hostname()
  const who = here ? `process ${owner.pid}${owner.pid === process.pid ? ' (this process)' : ''}` : `process ${owner.pid} on ${owner.host}`
  const remedy = here ? 'Stop it, or use another data directory.' : `Stop it; if that machine or container no longer exists, delete ${path}.`
  return new CairnError('DATA_DIR_LOCKED', `The data directory ${dataDir} is in use by ${who}. ${remedy}`, {
    details: { pid: owner.pid, host: owner.host, dataDir },
  })
}

async function readText(path: string): Promise<string | undefined> {
  for (let tries = 0; ; tries += 1) {
    try {
      const text = await readFile(path, 'utf8')
      if (parseOwner(text) !== undefined || tries >= HALF_WRITTEN_RETRIES) return text
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
    await sleep(HALF_WRITTEN_WAIT_MS)
  }
}

async function readOwner(path: string): Promise<Owner | undefined> {
  const text = await readText(path)
  return text === undefined ? undefined : parseOwner(text)
}

function parseOwner(text: string): Owner | undefined {
  try {
    const owner = JSON.parse(text) as Partial<Owner> | null
    if (owner === null || !Number.isSafeInteger(owner.pid) || (owner.pid ?? 0) <= 0 || typeof owner.token !== 'string') return undefined
    return { pid: owner.pid as number, startTime: owner.startTime ?? '', boot: owner.boot ?? '', host: owner.host ?? '', token: owner.token }
  } catch {
    return undefined
  }
}

/** In clock ticks since the machine started; undefined when the process is gone, a zombie, or the system does not tell. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}
