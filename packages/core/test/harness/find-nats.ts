import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The path of `nats-server`: from PATH, else installed from Debian's package (as root), else unpacked from it into a cache folder. */
export async function findNats(): Promise<string> {
  const cache = join(homedir(), '.cache', 'cairn', 'nats')
  const unpacked = join(cache, 'usr', 'sbin', 'nats-server')
  const present = onPath() ?? (existsSync(unpacked) ? unpacked : undefined)
  if (present !== undefined) return present

  const reasons: string[] = []
  if (process.getuid?.() === 0) {
    try {
      await run('apt-get', ['update'])
      await run('apt-get', ['install', '-y', '--no-install-recommends', 'nats-server'], { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
      const installed = onPath()
      if (installed !== undefined) return installed
    } catch (error) {
      reasons.push((error as Error).message)
    }
  }
  try {
    await mkdir(cache, { recursive: true })
    await run('apt-get', ['download', 'nats-server'], { cwd: cache })
    const file = (await readdir(cache)).find((name) => name.endsWith('.deb'))
    await run('dpkg-deb', ['-x', join(cache, file ?? ''), cache])
    if (existsSync(unpacked)) return unpacked
  } catch (error) {
    reasons.push((error as Error).message)
  }
  throw new Error(
    'The tests need nats-server 2.9 or newer. Install it (Debian and Ubuntu: `apt-get install nats-server`, macOS: `brew install nats-server`) ' +
      `and see to it that it is on the PATH. What was tried: ${reasons.join('; ')}`,
  )
}

function onPath(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/usr/local/bin']
  return folders.map((folder) => join(folder, 'nats-server')).find((path) => existsSync(path))
}
