import { readFile } from 'node:fs/promises'
import { AuthorizationError, connect, credsAuthenticator, errors, type NatsConnection, type NodeConnectionOptions, type Status } from '@nats-io/transport-node'
import { CairnError } from '../../errors/index.ts'
import { type Logger, SILENT_LOGGER } from '../../observability/index.ts'
import type { NatsOptions } from './nats-options.ts'

/** Two unanswered pings end a connection: a half-open socket is found within 30 s. */
const PING_INTERVAL_MS = 10_000
const MAX_PINGS_OUT = 2

/** A connection that reconnects for ever, and says when it is up and when it is down. */
export class NatsLink {
  readonly nc: NatsConnection
  /** The URLs without credentials. */
  readonly where: string
  readonly #log: Logger
  readonly #listeners = new Set<(connected: boolean) => void>()
  #connected = true
  #closed = false

  constructor(nc: NatsConnection, where: string, log: Logger) {
    this.nc = nc
    this.where = where
    this.#log = log
    void this.#follow()
  }

  get connected(): boolean {
    return this.#connected
  }

  get closed(): boolean {
    return this.#closed
  }

  onConnection(listener: (connected: boolean) => void): () => void {
    const own = (connected: boolean): void => listener(connected)
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  /** Throws CLOSED, or CONNECTION_FAILED while the server is away. */
  assertUsable(): void {
    if (this.#closed) throw new CairnError('CLOSED', 'The NATS engine has been closed. Open a new one.')
    if (!this.#connected) throw this.down()
  }

  down(): CairnError {
    return new CairnError('CONNECTION_FAILED', `NATS at ${this.where} cannot be reached; nothing was stored. It is reconnected as soon as the server is back.`, {
      details: { servers: this.where },
    })
  }

  /** From now on every call is refused with CLOSED. */
  beginClose(): void {
    this.#closed = true
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#set(false)
    this.#listeners.clear()
    await this.nc.close()
  }

  async #follow(): Promise<void> {
    for await (const status of this.nc.status()) this.#onStatus(status)
    this.#set(false)
  }

  #onStatus(status: Status): void {
    if (status.type === 'disconnect') {
      this.#log.warn({ servers: this.where }, 'NATS: connection lost')
      this.#set(false)
    } else if (status.type === 'reconnect') {
      this.#log.info({ servers: this.where }, 'NATS: connected again')
      this.#set(true)
    } else if (status.type === 'error') {
      this.#log.warn({ err: status.error, servers: this.where }, 'NATS: the server reported an error')
    }
  }

  #set(connected: boolean): void {
    if (this.#connected === connected) return
    this.#connected = connected
    for (const listener of this.#listeners) {
      try {
        listener(connected)
      } catch (error) {
        this.#log.error({ err: error }, 'A connection listener threw')
      }
    }
  }
}

/** Throws CONNECTION_FAILED or AUTHENTICATION_FAILED; the message names the server, never the credentials. */
export async function connectNats(options: NatsOptions, name: string): Promise<NatsLink> {
  const { servers, login } = parseServers(options)
  const where = servers.join(', ')
  const settings: NodeConnectionOptions = {
    ...login,
    servers,
    name,
    timeout: options.connectTimeoutMs ?? 5_000,
    reconnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 100,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: MAX_PINGS_OUT,
    // A server that comes back before its user file is in place must not end us for good.
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
  }
  if (options.tls) settings.tls = { ...options.tls }
  try {
    if (options.credsFile !== undefined) settings.authenticator = credsAuthenticator(new Uint8Array(await readFile(options.credsFile)))
    return new NatsLink(await connect(settings), where, options.log ?? SILENT_LOGGER)
  } catch (cause) {
    throw connectError(cause, where, options)
  }
}

function parseServers(options: NatsOptions): { servers: string[]; login: { user?: string; pass?: string; token?: string } } {
  const login: { user?: string; pass?: string; token?: string } = {}
  const urls = typeof options.servers === 'string' ? options.servers.split(',') : [...options.servers]
  const servers = urls.map((text) => {
    const trimmed = text.trim()
    let url: URL
    try {
      url = new URL(trimmed.includes('://') ? trimmed : `nats://${trimmed}`)
    } catch (cause) {
      throw new CairnError('INVALID_OPTION', 'nats: not a URL. Write it like nats://host:4222.', { cause, details: { option: 'nats' } })
    }
    if (url.hostname === '') throw new CairnError('INVALID_OPTION', 'nats: the URL has no host. Write it like nats://host:4222.', { details: { option: 'nats' } })
    if (url.password !== '') {
      login.user ??= decodeURIComponent(url.username)
      login.pass ??= decodeURIComponent(url.password)
    } else if (url.username !== '') {
      login.token ??= decodeURIComponent(url.username)
    }
    return `${url.protocol}//${url.host}`
  })
  if (options.user !== undefined) login.user = options.user
  if (options.password !== undefined) login.pass = options.password
  if (options.token !== undefined) login.token = options.token
  return { servers, login }
}

function connectError(cause: unknown, where: string, options: NatsOptions): CairnError {
  const code = (cause as { code?: unknown } | undefined)?.code
  if (code === 'ENOENT' && options.credsFile !== undefined) {
    return new CairnError('INVALID_OPTION', `nats: the credentials file ${options.credsFile} does not exist.`, { cause, details: { option: 'credsFile' } })
  }
  if (cause instanceof AuthorizationError || cause instanceof errors.UserAuthenticationExpiredError) {
    return new CairnError('AUTHENTICATION_FAILED', `NATS at ${where} refused the credentials. Check user and password or the credentials file.`, {
      cause,
      details: { servers: where },
    })
  }
  return new CairnError('CONNECTION_FAILED', `NATS at ${where} cannot be reached. Start nats-server with JetStream (-js), or correct the URL.`, {
    cause,
    details: { servers: where },
  })
}
