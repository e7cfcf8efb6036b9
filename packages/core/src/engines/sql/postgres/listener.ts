import pg from 'pg'
import { CairnError } from '../../../errors/index.ts'
import type { Logger } from '../../../observability/index.ts'
import { longestWait } from '../../../resilience/index.ts'
import { toConnectError } from '../sql-error.ts'
import { targetOf } from './postgres-options.ts'

/** A half-open socket is found within two of these. */
const HEARTBEAT_MS = 10_000

type Listener = (payload: string) => void

/**
 * LISTEN on a connection of its own, which is made at the first `listen` and again whenever it is lost.
 * What is notified while it is lost is not delivered: a notification is a hint to look, never the data.
 */
export class PostgresListener {
  readonly #server: () => pg.ClientConfig
  readonly #log: Logger
  readonly #listeners = new Map<string, Set<Listener>>()
  #client: Promise<pg.Client> | undefined
  #retry: NodeJS.Timeout | undefined
  #heartbeat: NodeJS.Timeout | undefined
  #lane: Promise<unknown> = Promise.resolve()
  #failures = 0
  #closed = false

  /** `server` tells where to connect, each time anew: after a failover it is another. */
  constructor(server: () => pg.ClientConfig, log: Logger) {
    this.#server = server
    this.#log = log
  }

  /** Rejects when the server cannot be reached now; later losses are mended. */
  async listen(channel: string, listener: Listener): Promise<() => Promise<void>> {
    // One function may listen twice, so each call has an entry of its own.
    const entry: Listener = (payload) => listener(payload)
    const listeners = this.#listeners.get(channel) ?? new Set()
    this.#listeners.set(channel, listeners.add(entry))
    try {
      const client = await this.#connected()
      await this.#inTurn(() => client.query(`LISTEN ${pg.escapeIdentifier(channel)}`))
    } catch (error) {
      this.#forget(channel, entry)
      throw toConnectError(error, targetOf(this.#server()))
    }
    return async () => {
      if (!this.#forget(channel, entry) || this.#closed) return
      const client = await this.#client?.catch(() => undefined)
      // Somebody may have begun to listen again, whose LISTEN was sent already.
      await this.#inTurn(() => (this.#listeners.has(channel) ? undefined : client?.query(`UNLISTEN ${pg.escapeIdentifier(channel)}`))).catch(() => {})
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    clearInterval(this.#heartbeat)
    const client = await this.#client?.catch(() => undefined)
    await client?.end().catch(() => {})
  }

  /** A client takes one statement at a time. */
  #inTurn(run: () => Promise<unknown> | undefined): Promise<unknown> {
    const turn = this.#lane.then(run)
    this.#lane = turn.catch(() => undefined)
    return turn
  }

  /** Returns true when nobody listens on the channel any more. */
  #forget(channel: string, entry: Listener): boolean {
    const listeners = this.#listeners.get(channel)
    if (listeners?.delete(entry) !== true || listeners.size > 0) return false
    return this.#listeners.delete(channel)
  }

  #connected(): Promise<pg.Client> {
    if (this.#closed) return Promise.reject(new CairnError('CLOSED', 'The SQL engine has been closed. Open a new one.'))
    this.#client ??= this.#connect()
    return this.#client
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client(this.#server())
    let lost = false
    const onLost = (error?: Error) => {
      if (lost) return
      lost = true
      clearInterval(this.#heartbeat)
      this.#client = undefined
      if (!this.#closed && this.#listeners.size > 0) this.#reconnectLater(error)
    }
    client.on('error', onLost)
    client.on('end', () => onLost())
    client.on('notification', (message) => this.#deliver(message.channel, message.payload ?? ''))
    try {
      await client.connect()
      for (const channel of this.#listeners.keys()) await client.query(`LISTEN ${pg.escapeIdentifier(channel)}`)
    } catch (error) {
      onLost(error as Error)
      client.end().catch(() => {})
      throw error
    }
    this.#failures = 0
    this.#startHeartbeat(client)
    return client
  }

  #startHeartbeat(client: pg.Client): void {
    clearInterval(this.#heartbeat)
    let answered = true
    this.#heartbeat = setInterval(() => {
      if (!answered) {
        client.connection.stream.destroy(new Error('Connection terminated: no answer to a heartbeat'))
        return
      }
      answered = false
      this.#inTurn(() => client.query('SELECT 1')).then(() => (answered = true), () => {})
    }, HEARTBEAT_MS)
    this.#heartbeat.unref()
  }

  #reconnectLater(error: Error | undefined): void {
    this.#failures += 1
    const limit = longestWait(this.#failures)
    this.#log.warn({ err: error, address: targetOf(this.#server()).address }, 'The listening connection was lost and is made again')
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => {
      void this.#reconnect()
    }, limit * (0.5 + Math.random() / 2))
  }

  async #reconnect(): Promise<void> {
    if (this.#listeners.size === 0) return
    // A failure has planned the next try already.
    await this.#connected().catch(() => {})
  }

  #deliver(channel: string, payload: string): void {
    for (const listener of this.#listeners.get(channel) ?? []) {
      try {
        listener(payload)
      } catch (error) {
        this.#log.error({ err: error, channel }, 'A listener threw')
      }
    }
  }
}
