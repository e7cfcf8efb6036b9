import { spawn, type ChildProcess } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findNats } from './find-nats.ts'
import { endNow, freePort, isRunning, onExit, signal, waitGone, waitReady } from './processes.ts'

export interface NatsServerOptions {
  /** Where JetStream keeps its streams. @default a new folder under the system's temporary folder */
  readonly storeDir?: string
  /** @default a free one */
  readonly port?: number
  /** More flags, e.g. `['--user', 'u', '--pass', 'p']`. */
  readonly flags?: readonly string[]
}

/** A private nats-server with JetStream on 127.0.0.1. */
export interface NatsServer {
  readonly url: string
  readonly port: number
  /** Where JetStream keeps its streams. */
  readonly root: string
  readonly pid: number
  /** Kills it with SIGKILL and resolves when it is gone. */
  kill9(): Promise<void>
  /** Orderly stop; the store stays. */
  stop(): Promise<void>
  /** Starts it again on the same port and store. */
  restart(): Promise<void>
  /** Stops it and deletes the store (unless the caller gave the folder). */
  dispose(): Promise<void>
}

export async function startNats(options: NatsServerOptions = {}): Promise<NatsServer> {
  const binary = await findNats()
  const port = options.port ?? (await freePort())
  const storeDir = options.storeDir ?? (await mkdtemp(join(tmpdir(), 'cairn-nats-')))
  let child: ChildProcess | undefined
  const forget = onExit(() => {
    if (child?.pid !== undefined && isRunning(child)) endNow(child.pid, 'SIGKILL')
    if (options.storeDir === undefined) rmSync(storeDir, { recursive: true, force: true, maxRetries: 5 })
  })
  await launch()

  async function launch(): Promise<void> {
    const flags = ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', storeDir, ...(options.flags ?? [])]
    const server = spawn(binary, flags, { stdio: ['ignore', 'ignore', 'pipe'] })
    let log = ''
    server.stderr?.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-4000)))
    server.on('error', (error) => (log += error.message))
    child = server
    await waitReady(server, () => greeting(port), () => log)
  }

  async function end(how: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const pid = child?.pid
    if (child === undefined || pid === undefined || !isRunning(child)) return
    signal(pid, how)
    await waitGone([pid])
  }

  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    root: storeDir,
    get pid() {
      return child?.pid ?? -1
    },
    kill9: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    async restart() {
      await end('SIGTERM')
      await launch()
    },
    async dispose() {
      await end('SIGTERM').catch(() => end('SIGKILL'))
      forget()
      if (options.storeDir === undefined) await rm(storeDir, { recursive: true, force: true })
    },
  }
}

/** Resolves when the server sends its INFO line and says that JetStream is on. */
function greeting(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' })
    let text = ''
    socket.setTimeout(2000, () => socket.destroy(new Error('no greeting')))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('closed without a greeting')))
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
      if (!text.includes('\r\n')) return
      socket.destroy()
      if (text.includes('"jetstream":true')) resolve()
      else reject(new Error('JetStream is not on yet'))
    })
  })
}
