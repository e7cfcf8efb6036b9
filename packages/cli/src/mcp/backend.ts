import { setTimeout as delay } from 'node:timers/promises'
import { type Cairn, type CairnOptions, CairnError, type Logger, isCairnError, open } from '@cairn/core'
import { type RunningServer, createApp, serve } from '@cairn/server'
import { askHealth, findRunningServer } from '../running/find-server.ts'
import { removeServerFile, writeServerFile } from '../running/server-file.ts'

/** Where requests go: a Cairn opened here, or a running one. */
export interface Backend {
  /** An address, or what was opened. For the log. */
  readonly place: string
  send(path: string, init: RequestInit): Promise<Response>
  close(): Promise<void>
}

export interface BackendOptions {
  /** Only this one; without it the data directory's own, or one opened here. */
  readonly server: string | undefined
  readonly cairn: CairnOptions
  readonly dataDir: string
  /** At least one engine is embedded, so that one process at a time can open it. */
  readonly embedded: boolean
  readonly logger: Logger
}

/** A process that opens the data directory has answered by then. */
const LOCKED_FOR_MS = 60_000
const LOOK_AGAIN_MS = 200

/**
 * The Cairn of `--server`; else the running one that has the data directory open; else one opened here. One that is opened on embedded engines also listens on a
 * free port of the loopback address, so that every further process that is to work on the directory goes through it.
 */
export async function findBackend(options: BackendOptions): Promise<Backend> {
  const { server, embedded, dataDir } = options
  if (server !== undefined) {
    if (!URL.canParse(server) || (await askHealth(server)) === undefined) throw new CairnError('CONNECTION_FAILED', `No Cairn answers at ${server}. Start one with \`cairn start\`, or check --server.`, { details: { url: server } })
    return remote(server)
  }
  for (const started = performance.now(); ; await delay(LOOK_AGAIN_MS)) {
    const running = embedded ? await findRunningServer(dataDir) : undefined
    if (running !== undefined) return remote(running)
    try {
      return await local(options)
    } catch (error) {
      // Whoever has it is about to listen, or to end.
      if (!isCairnError(error, 'DATA_DIR_LOCKED') || performance.now() - started > LOCKED_FOR_MS) throw error
    }
  }
}

function remote(url: string): Backend {
  return {
    place: url,
    send: (path, init) => {
      // A connection of its own each: one that is kept for the next may be of a process that has ended, and then nobody can say whether the message was read.
      const headers = new Headers(init.headers)
      headers.set('connection', 'close')
      return fetch(`${url.replace(/\/+$/, '')}${path}`, { ...init, headers })
    },
    close: () => Promise.resolve(),
  }
}

async function local({ cairn: given, embedded, dataDir, logger }: BackendOptions): Promise<Backend> {
  const cairn = await open({ ...given, logger })
  const server = embedded ? await listen(cairn, dataDir, logger) : undefined
  const app = createApp(cairn, { logger })
  return {
    place: server === undefined ? 'engines opened here' : `engines opened here, at ${server.url} for other processes`,
    send: async (path, init) => app.fetch(new Request(`http://127.0.0.1${path}`, init)),
    async close() {
      await server?.close()
      await cairn.close()
      if (embedded) removeServerFile(dataDir)
    },
  }
}

async function listen(cairn: Cairn, dataDir: string, logger: Logger): Promise<RunningServer> {
  try {
    const server = await serve(cairn, { port: 0, logger })
    writeServerFile(dataDir, server.url)
    return server
  } catch (error) {
    await cairn.close()
    throw error
  }
}
