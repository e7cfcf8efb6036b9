import { accessSync, constants, existsSync, statSync, statfsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { askHealth } from '../running/find-server.ts'
import { portProblem } from '../running/port-check.ts'
import { reachableUrl } from '../running/server-file.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

const LEAST_NODE = [22, 12] as const
const LITTLE_SPACE = 1024 ** 3
const NO_SPACE = 100 * 1024 ** 2

export function checkNode(version = process.versions.node): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1])) return ok('node', `Node ${version}`)
  return fail('node', `Node ${version} is too old`, `Cairn needs ${LEAST_NODE.join('.')} or newer.`, 'Run it through npm (`npm start`, `npm run cairn -- …`), which uses the Node of this repository, or update Node.')
}

/** Whether the folder can be used, without making it. */
export function checkDataDir(dataDir: string): Finding[] {
  const there = existsSync(dataDir)
  const folder = there ? dataDir : nearestExisting(dataDir)
  if (!statSync(folder).isDirectory()) {
    return [fail('data directory', `${folder} is a file`, 'The embedded engines need a folder.', 'Give another --data-dir, or move the file away.')]
  }
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch {
    const user = process.getuid?.() ?? 'this user'
    return [fail('data directory', `${folder} cannot be written by user ${user}`, 'The embedded engines keep their data there.', `Change its owner or its mode (chown, chmod u+rwx), or give another --data-dir.`)]
  }
  return [ok('data directory', there ? `${dataDir} can be written` : `${dataDir} does not exist yet; the first start makes it`), checkSpace(folder)]
}

function checkSpace(folder: string): Finding {
  const { bavail, bsize } = statfsSync(folder)
  const free = bavail * bsize
  const text = `${(free / 1024 ** 3).toFixed(1)} GB free on the file system of ${folder}`
  if (free < NO_SPACE) return fail('free space', text, 'Writes fail when it is full; a new database alone takes about 50 MB.', 'Free some space, or give a --data-dir on another file system.')
  if (free < LITTLE_SPACE) return warn('free space', text, 'Writes fail when it is full.', 'Free some space, or move the data directory to another file system.')
  return ok('free space', text)
}

function nearestExisting(path: string): string {
  let folder = resolve(path)
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder)
  return folder
}

export async function checkPort(host: string, port: number): Promise<Finding> {
  const problem = await portProblem(host, port)
  if (problem === undefined) return ok('port', `${port} on ${host} is free`)
  if (problem.code !== 'EADDRINUSE') return fail('port', `Cannot listen on ${host}, port ${port}: ${problem.message}`, '`cairn start` would fail.', 'Give another --host or --port.')
  const health = await askHealth(reachableUrl(host, port), 5_000)
  if (health !== undefined) return ok('port', `a Cairn (${health.status}) listens on ${host}, port ${port}`)
  return warn('port', `${port} on ${host} is taken by another process`, '`cairn start` would fail with PORT_IN_USE.', 'Stop that process, or start with another --port.')
}
