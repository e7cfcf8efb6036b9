import { execFileSync, type ChildProcess } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { randomInt } from 'node:crypto'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Below those that the system gives to whoever asks for any. */
const FIRST_PORT = 20_000
const PORTS = 12_000

/**
 * A TCP port on 127.0.0.1 that nobody listens on, and that nobody else gets: not from here, in any process of a run, and not from
 * the system. So it is still free when a server starts on it, and while one that was killed starts again.
 */
export async function freePort(): Promise<number> {
  const given = join(tmpdir(), 'cairn-ports')
  await mkdir(given, { recursive: true })
  for (;;) {
    const port = FIRST_PORT + randomInt(PORTS)
    if ((await claim(join(given, String(port)))) && (await isFree(port))) return port
  }
}

/** Of all who ask for one port, the first gets it; what was claimed an hour ago is of a run that is over. */
async function claim(path: string): Promise<boolean> {
  try {
    await writeFile(path, '', { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    if (Date.now() - (await stat(path)).mtimeMs < 3_600_000) return false
    await writeFile(path, '')
    return true
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** True while a process with this id exists and is not a zombie. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  return processState(pid) !== 'Z'
}

/** True until a child process has ended. */
export function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}

/** The direct children of a process. */
export function childrenOf(pid: number): number[] {
  if (process.platform !== 'linux') {
    try {
      return execFileSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' }).split('\n').filter(Boolean).map(Number)
    } catch {
      return []
    }
  }
  const children: number[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    if (statFields(Number(name))?.[1] === String(pid)) children.push(Number(name))
  }
  return children
}

/** Sends a signal; a process that is gone already is no error. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Stops a process with SIGSTOP; resolves when it stands still. */
export async function halt(pid: number): Promise<void> {
  signal(pid, 'SIGSTOP')
  while (process.platform === 'linux' && !['T', 'Z', undefined].includes(processState(pid))) await sleep(1)
}

/** Resolves when none of the processes is left; throws after `timeoutMs`. */
export async function waitGone(pids: readonly number[], timeoutMs = 60_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (pids.some(isAlive)) {
    if (Date.now() > deadline) throw new Error(`Processes ${pids.filter(isAlive).join(', ')} did not end within ${timeoutMs} ms.`)
    await sleep(10)
  }
}

const cleanups = new Set<() => void>()

/** Runs `cleanup` when this process ends; what is left over from a run that was cut off must go at once, without waiting. */
export function onExit(cleanup: () => void): () => void {
  if (cleanups.size === 0) process.on('exit', runCleanups)
  cleanups.add(cleanup)
  return () => {
    cleanups.delete(cleanup)
    if (cleanups.size === 0) process.off('exit', runCleanups)
  }
}

function runCleanups(): void {
  for (const cleanup of cleanups) cleanup()
}

/** Ends a process while this one exits, when nothing can be awaited any more: blocks until it is gone, 3 s at most. */
export function endNow(pid: number, name: NodeJS.Signals): void {
  signal(pid, name)
  const pause = new Int32Array(new SharedArrayBuffer(4))
  for (let waited = 0; waited < 3000 && isAlive(pid); waited += 10) Atomics.wait(pause, 0, 0, 10)
}

/** Tries `probe` until it resolves; throws its last error after `timeoutMs`, or at once when the process ended. */
export async function waitReady(child: ChildProcess, probe: () => Promise<void>, describe: () => string, timeoutMs = 60_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    try {
      await probe()
      return
    } catch (error) {
      const ended = !isRunning(child)
      if (ended || Date.now() > deadline) throw new Error(`${ended ? 'It ended' : 'It did not answer in time'}: ${describe()}`, { cause: error })
      await sleep(20)
    }
  }
}

function processState(pid: number): string | undefined {
  return process.platform === 'linux' ? statFields(pid)?.[0] : undefined
}

/** The fields of /proc/<pid>/stat behind the name: state, parent, … */
function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}
