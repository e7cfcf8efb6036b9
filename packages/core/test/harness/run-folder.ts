import { chmodSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onExit } from './processes.ts'

const IN_MEMORY = '/dev/shm'
/** What the databases of two workers take at most, and as much again. */
const ROOM = 6 * 2 ** 30

/**
 * Makes the folder under which a whole run of Vitest keeps its files, the temporary folder of every process from here on.
 * It lies in memory where that has room and nobody chose another place: a run makes and deletes databases by the hundred.
 * Tests kill processes, not machines, so files of either kind outlive the same things. Returns what deletes it.
 */
export function makeRunFolder(): () => void {
  const chosen = process.env['TMPDIR']
  const folder = mkdtempSync(join(chosen === undefined && hasRoom() ? IN_MEMORY : tmpdir(), 'cairn-run-'))
  // PostgreSQL's server runs as another user when the tests run as root.
  chmodSync(folder, 0o755)
  process.env['TMPDIR'] = folder
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  const forget = onExit(remove)
  return () => {
    forget()
    if (chosen === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = chosen
    remove()
  }
}

function hasRoom(): boolean {
  try {
    const { bavail, bsize } = statfsSync(IN_MEMORY)
    return bavail * bsize >= ROOM
  } catch {
    return false
  }
}
