import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Cairn, CairnError } from '@cairn/core'
import { createAdaptorServer } from '@hono/node-server'
import { type AppOptions, createApp } from './app.ts'

export interface ServeOptions extends Omit<AppOptions, 'closing'> {
  /** The address to listen on. There is no authentication yet: others than loopback are for trusted networks only. @default '127.0.0.1' */
  readonly host?: string
  /** 0 takes a free one. @default 4100 */
  readonly port?: number
  /** How long running requests may take after `close` before their connections are cut. @default 10000 */
  readonly closeTimeoutMs?: number
}

export interface RunningServer {
  /** E.g. http://127.0.0.1:4100 */
  readonly url: string
  readonly port: number
  /** Stops accepting, ends live streams, lets running requests end, then resolves. Leaves the Cairn open. Safe to call twice. */
  close(): Promise<void>
}

const UPLOAD_MS = 3_600_000

/**
 * Cairn over HTTP on a socket of its own. Errors: PORT_IN_USE, PERMISSION_DENIED (a port below 1024),
 * INVALID_OPTION (host or port).
 */
export async function serve(cairn: Cairn, options: ServeOptions = {}): Promise<RunningServer> {
  const { host = '127.0.0.1', port = 4100, closeTimeoutMs = 10_000, ...appOptions } = options
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new CairnError('INVALID_OPTION', `port: ${String(port)} is not a port. Use 0 to 65535.`, { details: { option: 'port' } })
  const closing = new AbortController()
  const app = createApp(cairn, { ...appOptions, host, closing: closing.signal })
  // An upload of an agent may be 4 GiB. A client that is silent for good is one connection held for so long.
  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false, createServer, serverOptions: { keepAliveTimeout: 5_000, headersTimeout: 60_000, requestTimeout: UPLOAD_MS } }) as Server
  await listen(server, host, port)
  const bound = server.address() as AddressInfo
  let closed: Promise<void> | undefined
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound.port}`,
    port: bound.port,
    close() {
      closed ??= stop(server, closing, closeTimeoutMs)
      return closed
    },
  }
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port }, () => {
        server.off('error', reject)
        resolve()
      })
    })
  } catch (cause) {
    throw listenFailure(cause, host, port)
  }
}

function listenFailure(cause: unknown, host: string, port: number): CairnError {
  const code = (cause as NodeJS.ErrnoException).code
  const options = { cause, details: { host, port } }
  if (code === 'EADDRINUSE') return new CairnError('PORT_IN_USE', `Port ${port} on ${host} is taken by another process. Stop that process, or choose another port with --port.`, options)
  if (code === 'EACCES') return new CairnError('PERMISSION_DENIED', `This user may not listen on port ${port}. Choose one above 1023 with --port.`, options)
  return new CairnError('INVALID_OPTION', `host: the server cannot listen on ${JSON.stringify(host)} (${code ?? String(cause)}). Use an address of this machine, such as 127.0.0.1.`, options)
}

/** A connection is idle only some time after its last answer, so idle ones are closed again and again until none is left. */
async function stop(server: Server, closing: AbortController, timeoutMs: number): Promise<void> {
  const ended = new Promise<void>((resolve) => server.close(() => resolve()))
  closing.abort()
  const idle = setInterval(() => server.closeIdleConnections(), 20)
  const late = setTimeout(() => server.closeAllConnections(), timeoutMs)
  await ended
  clearInterval(idle)
  clearTimeout(late)
}
