import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { existsSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { findPostgres } from './find-postgres.ts'
import { makeMigratedDatabase } from './migrated-database.ts'
import { childrenOf, endNow, freePort, isRunning, onExit, signal, waitGone, waitReady } from './processes.ts'

export interface PostgresServerOptions {
  /** Where the data is kept; made when missing. @default a new folder under the system's temporary folder */
  readonly dataDir?: string
  /** @default a free one */
  readonly port?: number
  /** @default true */
  readonly fsync?: boolean
  /**
   * With a database of all migrations, MIGRATED_TEMPLATE, to make others of: `cairnTargets` does on such a server. The first of a run makes
   * the data, the others copy it. Not with `dataDir`.
   */
  readonly migrated?: boolean
  /** More server settings, e.g. `{ max_prepared_transactions: '10' }`. */
  readonly settings?: Readonly<Record<string, string>>
}

/** A private PostgreSQL on 127.0.0.1. */
export interface PostgresServer {
  /** With the superuser `postgres`, its password and the database `postgres`. */
  readonly url: string
  readonly port: number
  /** The folder that holds the data directory, the socket and the password. */
  readonly root: string
  readonly dataDir: string
  readonly pid: number
  /** Kills the postmaster and all of its children with SIGKILL, and resolves when they are gone. */
  kill9(): Promise<void>
  /** Fast shutdown; the data stays. */
  stop(): Promise<void>
  /** Starts it again on the same port and data. */
  restart(): Promise<void>
  /** Stops it and deletes the data (unless the caller gave the folder). */
  dispose(): Promise<void>
}

const SUPERUSER = 'postgres'

export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const bin = findPostgres()
  const owner = await serverUser()
  const port = options.port ?? (await freePort())
  const root = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'cairn-pg-')))
  const dataDir = join(root, 'data')
  let child: ChildProcess | undefined
  const forget = onExit(() => {
    // Immediate shutdown: it takes its children with it.
    if (child?.pid !== undefined && isRunning(child)) endNow(child.pid, 'SIGQUIT')
    if (options.dataDir === undefined) rmSync(root, { recursive: true, force: true, maxRetries: 5 })
  })
  const passwordFile = join(root, 'password')
  await mkdir(root, { recursive: true })
  if (owner !== undefined) await chown(root, owner.uid, owner.gid)

  const copied = options.migrated === true && options.dataDir === undefined && (await copyOfAnother(root))
  if (!existsSync(join(dataDir, 'PG_VERSION'))) {
    await writeFile(passwordFile, randomBytes(12).toString('hex'), { mode: 0o600 })
    if (owner !== undefined) await chown(passwordFile, owner.uid, owner.gid)
    const flags = ['-D', dataDir, '-U', SUPERUSER, '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--encoding=UTF8', '--locale=C', '--no-sync']
    await promisify(execFile)(join(bin, 'initdb'), flags, { ...owner, cwd: root, env: serverEnv() })
  }
  const password = (await readFile(passwordFile, 'utf8')).trim()
  const url = `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`
  await launch()
  if (options.migrated === true && !copied) {
    await makeMigratedDatabase(url)
    await end('SIGINT')
    await keepForOthers(root)
    await launch()
  }

  async function launch(): Promise<void> {
    const settings: Record<string, string> = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: root,
      max_connections: '200',
      shared_buffers: '128MB',
      fsync: options.fsync === false ? 'off' : 'on',
      log_min_messages: 'fatal',
      ...options.settings,
    }
    const flags = ['-D', dataDir, '-p', String(port), ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
    const server = spawn(join(bin, 'postgres'), flags, { ...owner, cwd: root, env: serverEnv(), stdio: ['ignore', 'ignore', 'pipe'] })
    let log = ''
    server.stderr?.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-4000)))
    server.on('error', (error) => (log += error.message))
    child = server
    await waitReady(server, probe, () => log)
  }

  async function probe(): Promise<void> {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.query('SELECT 1')
    } finally {
      await client.end().catch(() => {})
    }
  }

  async function end(how: 'SIGINT' | 'SIGKILL'): Promise<void> {
    const pid = child?.pid
    if (child === undefined || pid === undefined || !isRunning(child)) return
    const children = childrenOf(pid)
    signal(pid, how)
    if (how === 'SIGKILL') for (const one of [...children, ...childrenOf(pid)]) signal(one, 'SIGKILL')
    await waitGone([pid, ...children])
    // Only after a kill is the file left behind; its processes are gone, so nobody else holds the data.
    if (how === 'SIGKILL') await rm(join(dataDir, 'postmaster.pid'), { force: true })
  }

  return {
    url,
    port,
    root,
    dataDir,
    get pid() {
      return child?.pid ?? -1
    },
    kill9: () => end('SIGKILL'),
    stop: () => end('SIGINT'),
    async restart() {
      await end('SIGINT')
      await launch()
    },
    async dispose() {
      await end('SIGINT').catch(() => end('SIGKILL'))
      forget()
      if (options.dataDir === undefined) await rm(root, { recursive: true, force: true })
    },
  }
}

/** Where the servers of a run find data that another of them made; a run has a temporary folder of its own. */
const migratedData = (): string => join(tmpdir(), 'cairn-pg-migrated')

/** With their owner, which `cp` of Node does not keep. */
async function copyData(from: string, to: string): Promise<void> {
  await promisify(execFile)('cp', ['-a', join(from, 'data'), join(from, 'password'), to])
}

/** False when nobody has made them yet. */
async function copyOfAnother(root: string): Promise<boolean> {
  if (!existsSync(migratedData())) return false
  await copyData(migratedData(), root)
  return true
}

async function keepForOthers(root: string): Promise<void> {
  const made = await mkdtemp(`${migratedData()}-`)
  await copyData(root, made)
  // Another may have been faster.
  await rename(made, migratedData()).catch(() => rm(made, { recursive: true, force: true }))
}

/** PostgreSQL refuses to run as root: then another account is used. */
async function serverUser(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const accounts = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'))
  for (const name of ['postgres', 'nobody']) {
    const account = accounts.find((fields) => fields[0] === name)
    if (account !== undefined) return { uid: Number(account[2]), gid: Number(account[3]) }
  }
  throw new Error('PostgreSQL does not run as root, and there is neither a user `postgres` nor a user `nobody` to run it as.')
}

function serverEnv(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('PG'))
  return { ...Object.fromEntries(inherited), LC_ALL: 'C', TZ: 'UTC' }
}
