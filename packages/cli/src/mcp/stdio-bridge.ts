import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '@cairn/core'
import { serverSentEvents } from '../client/server-sent-events.ts'
import type { Backend } from './backend.ts'
import { type Message, messageHeaders, readMessage } from './message-request.ts'

export interface BridgeOptions {
  /** Of the tool set, e.g. /mcp. */
  readonly path: string
  /** Who is asking. */
  readonly headers: Readonly<Record<string, string>>
  /** Called for the first message, and again after one could not be delivered. */
  readonly find: () => Promise<Backend>
  /** Writes one message; its text has no line feed. */
  readonly write: (line: string) => void
  readonly logger: Logger
}

/** What was aborted has ended by then, or is left alone. */
const ABORT_MS = 2_000
/** JSON-RPC's own codes. */
const PARSE_ERROR = -32700
const INVALID_REQUEST = -32600
const INTERNAL_ERROR = -32603

/**
 * Carries messages of the protocol from stdio to Cairn's HTTP endpoint and back. Since a request there needs no session, whatever its revision, a backend that
 * went away is replaced by another between two messages.
 */
export class StdioBridge {
  readonly #options: BridgeOptions
  readonly #running = new Map<string | number, AbortController>()
  readonly #work = new Set<Promise<void>>()
  #backend: Promise<Backend> | undefined

  constructor(options: BridgeOptions) {
    this.#options = options
  }

  /** Takes one line, undefined for one that was too long, and answers it in its own time. Never throws. */
  take(line: string | undefined): void {
    const work: Promise<void> = this.#answer(line).finally(() => this.#work.delete(work))
    this.#work.add(work)
  }

  /** Waits up to `graceMs` for what is running, ends the rest, and closes the backend. */
  async close(graceMs: number): Promise<void> {
    const late = setTimeout(() => this.#abortAll(), graceMs)
    await Promise.race([Promise.all(this.#work), delay(graceMs + ABORT_MS, undefined, { ref: false })])
    clearTimeout(late)
    await this.#backend?.then((backend) => backend.close(), () => undefined)
  }

  /** The backend in use; found when there is none. */
  backend(): Promise<Backend> {
    this.#backend ??= this.#options.find()
    return this.#backend
  }

  async #answer(line: string | undefined): Promise<void> {
    if (line === undefined) return this.#refuse(null, INVALID_REQUEST, 'The message is longer than 16 MiB. Split it.')
    const message = readMessage(line)
    if (message === undefined) return this.#refuse(null, PARSE_ERROR, 'The line is not a JSON object.')
    if (message.method === 'notifications/cancelled') {
      const request = message.params['requestId']
      if (typeof request === 'string' || typeof request === 'number') this.#running.get(request)?.abort()
      return
    }
    const stop = new AbortController()
    if (message.id !== undefined) this.#running.set(message.id, stop)
    try {
      await this.#deliver(message, line, stop.signal)
    } catch (error) {
      if (stop.signal.aborted) return
      this.#options.logger.warn({ err: error }, 'mcp: a message could not be answered')
      this.#refuse(message.id ?? null, INTERNAL_ERROR, `Cairn could not be reached, or went away before it answered: ${reasonOf(error)}. A write may have happened; read before you repeat it.`)
    } finally {
      if (message.id !== undefined && this.#running.get(message.id) === stop) this.#running.delete(message.id)
    }
  }

  async #deliver(message: Message, line: string, signal: AbortSignal): Promise<void> {
    const response = await this.#send(message, line, signal)
    if (response.headers.get('content-type')?.startsWith('text/event-stream') === true && response.body !== null) {
      for await (const { data } of serverSentEvents(response.body)) if (data !== undefined) this.#options.write(JSON.stringify(data))
      return
    }
    const text = (await response.text()).trim()
    if (text === '') return
    const answer = JSON.parse(text) as { jsonrpc?: unknown; code?: unknown; detail?: unknown }
    if (answer.jsonrpc === '2.0') this.#options.write(JSON.stringify(answer))
    else if (message.id !== undefined) this.#refuse(message.id, INVALID_REQUEST, `${String(answer.code)}: ${String(answer.detail)}`, answer)
  }

  /** Once more, with another backend, when nothing was sent because nobody listens there any more. */
  async #send(message: Message, body: string, signal: AbortSignal): Promise<Response> {
    const { path, headers } = this.#options
    for (let attempt = 1; ; attempt++) {
      const finding = this.backend()
      try {
        const backend = await finding
        return await backend.send(path, { method: 'POST', headers: { ...messageHeaders(message), ...headers }, body, signal })
      } catch (error) {
        if (signal.aborted) throw error
        if (this.#backend === finding) this.#backend = undefined
        if (attempt === 3 || !isRefused(error)) throw error
      }
    }
  }

  #refuse(id: string | number | null, code: number, text: string, data?: unknown): void {
    this.#options.write(JSON.stringify({ jsonrpc: '2.0', id, error: { code, message: text, ...(data === undefined ? {} : { data }) } }))
  }

  #abortAll(): void {
    for (const stop of this.#running.values()) stop.abort()
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof Error && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ECONNREFUSED'
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? cause.message || ((cause as NodeJS.ErrnoException).code ?? cause.name) : String(cause)
}
