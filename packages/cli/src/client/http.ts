import { setTimeout as delay } from 'node:timers/promises'
import { CairnError, ERROR_CODES, type ErrorCode, isCairnError } from '@cairn/core'
import { type ServerSentEvent, serverSentEvents } from './server-sent-events.ts'

/** Fields that are undefined are left out; a list is given once for each item. */
export type Query = { readonly [name: string]: string | number | boolean | readonly string[] | undefined }

interface Problem {
  readonly code: string
  readonly detail: string
  readonly details?: Readonly<Record<string, unknown>>
}

const ANSWER_MS = 60_000
const RECONNECT_MS = 500

/**
 * Requests to a Cairn over HTTP; JSON both ways. An error of the server is thrown as the CairnError it was there.
 * Errors besides: INVALID_OPTION for an address that is none, CONNECTION_FAILED when no Cairn answers, TIMEOUT.
 */
export class Http {
  readonly base: string
  readonly #headers: Readonly<Record<string, string>>

  constructor(base: string, tenant: string | undefined) {
    if (!/^https?:\/\/[^/]/.test(base) || !URL.canParse(base)) {
      throw new CairnError('INVALID_OPTION', `--server: ${JSON.stringify(base)} is not an address such as http://127.0.0.1:4100.`, { details: { option: 'server' } })
    }
    this.base = base.replace(/\/+$/, '')
    this.#headers = { accept: 'application/json', 'x-cairn-actor': 'system:cli', ...(tenant === undefined ? {} : { 'x-cairn-tenant': tenant }) }
  }

  get<T>(path: string, query: Query = {}): Promise<T> {
    return this.#send<T>('GET', path, query, undefined, {})
  }

  post<T>(path: string, body: unknown = {}): Promise<T> {
    return this.#send<T>('POST', path, {}, body, {})
  }

  put<T>(path: string, body: unknown, query: Query = {}, headers: Record<string, string> = {}): Promise<T> {
    return this.#send<T>('PUT', path, query, body, headers)
  }

  delete<T>(path: string, query: Query = {}, headers: Record<string, string> = {}): Promise<T> {
    return this.#send<T>('DELETE', path, query, undefined, headers)
  }

  /** The body as it arrives; without a time limit. */
  async *download(path: string): AsyncGenerator<Uint8Array> {
    const response = await fetch(`${this.base}${path}`, { headers: this.#headers }).catch((error: unknown) => {
      throw this.#unreachable(error)
    })
    if (!response.ok || response.body === null) throw this.#refusal('GET', path, response.status, parse(await response.text()))
    try {
      yield* response.body
    } catch (error) {
      throw this.#unreachable(error)
    }
  }

  /** Sends lines of JSON as they are read; without a time limit. */
  async upload<T>(path: string, query: Query, lines: AsyncIterable<Uint8Array>): Promise<T> {
    const headers = { ...this.#headers, 'content-type': 'application/x-ndjson' }
    const response = await fetch(this.#url(path, query), { method: 'POST', headers, body: ReadableStream.from(lines), duplex: 'half' }).catch((error: unknown) => {
      throw this.#unreachable(error)
    })
    const answer = parse(await response.text())
    if (response.ok && answer !== undefined) return answer as T
    throw this.#refusal('POST', path, response.status, answer)
  }

  #url(path: string, query: Query): string {
    const given = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [value].flat()).map((each): [string, string] => [name, String(each)]))
    return `${this.base}${path}${given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`}`
  }

  /**
   * Server-sent events. Connects again behind the last one when the connection breaks or the server is not well, until `signal` is
   * aborted. Errors are thrown while there was no first answer; later only those that do not pass.
   */
  async *events(path: string, query: Query, signal: AbortSignal): AsyncGenerator<ServerSentEvent> {
    let lastId: string | undefined
    for (let answered = false; !signal.aborted; ) {
      try {
        const url = this.#url(path, query)
        const headers = { ...this.#headers, accept: 'text/event-stream', ...(lastId === undefined ? {} : { 'last-event-id': lastId }) }
        const response = await fetch(url, { headers, signal })
        if (!response.ok || response.body === null) throw this.#refusal('GET', path, response.status, parse(await response.text()))
        answered = true
        for await (const event of serverSentEvents(response.body)) {
          if (event.id !== undefined) lastId = event.id
          if (event.data !== undefined) yield event
        }
      } catch (error) {
        if (signal.aborted) return
        if (isCairnError(error) && !(answered && error.retryable)) throw error
        if (!answered) throw this.#unreachable(error)
      }
      await delay(RECONNECT_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  async #send<T>(method: string, path: string, query: Query, body: unknown, headers: Record<string, string>): Promise<T> {
    const url = this.#url(path, query)
    let response: Response
    let text: string
    try {
      response = await fetch(url, {
        method,
        headers: { ...this.#headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(ANSWER_MS),
      })
      text = await response.text()
    } catch (error) {
      throw this.#unreachable(error)
    }
    const answer = parse(text)
    if (response.ok && answer !== undefined) return answer as T
    throw this.#refusal(method, path, response.status, answer)
  }

  #refusal(method: string, path: string, status: number, answer: unknown): CairnError {
    if (isProblem(answer)) return new CairnError(Object.hasOwn(ERROR_CODES, answer.code) ? (answer.code as ErrorCode) : 'UNKNOWN', answer.detail, { details: answer.details ?? {} })
    return new CairnError('CONNECTION_FAILED', `What answers at ${this.base} is not a Cairn: ${method} ${path} got status ${status}. Check --server.`, { details: { url: this.base, status: status } })
  }

  #unreachable(error: unknown): CairnError {
    if (error instanceof Error && error.name === 'TimeoutError') return new CairnError('TIMEOUT', `${this.base} did not answer within ${ANSWER_MS / 1000} s.`, { cause: error, details: { url: this.base } })
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    // What was to be sent could not be read.
    if (isCairnError(cause)) return cause
    const reason = cause instanceof Error ? cause.message || (cause as NodeJS.ErrnoException).code || cause.name : String(cause)
    return new CairnError('CONNECTION_FAILED', `No Cairn answers at ${this.base}: ${reason}. Start one with \`cairn start\`, or check --server.`, { cause: error, details: { url: this.base } })
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && typeof (value as Problem).code === 'string' && typeof (value as Problem).detail === 'string'
}
