import { createInbox, type Msg, type MsgHdrs } from '@nats-io/transport-node'
import type { NatsLink } from './nats-connection.ts'

/** Why a request has no answer. Only after `unsent` and `no-responders` is it certain that nothing happened. */
export type NoAnswer = 'unsent' | 'no-responders' | 'timeout' | 'disconnected'

export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError'
  readonly reason: NoAnswer

  constructor(reason: NoAnswer, subject: string) {
    super(`${subject}: ${reason}`)
    this.reason = reason
  }
}

interface Waiting {
  readonly subject: string
  readonly deadline: number
  resolve(message: Msg): void
  reject(error: NoAnswerError): void
}

const SWEEP_MS = 100

/**
 * Requests with one answer each, lean enough for tens of thousands a second: one subscription, one Map, and one
 * interval for all time limits instead of a timer a request.
 */
export class Requests {
  readonly #link: NatsLink
  readonly #timeoutMs: number
  readonly #inbox: string
  readonly #waiting = new Map<string, Waiting>()
  readonly #sweeper: NodeJS.Timeout
  #next = 0
  #onIdle: (() => void) | undefined

  constructor(link: NatsLink, timeoutMs: number) {
    this.#link = link
    this.#timeoutMs = timeoutMs
    this.#inbox = `${createInbox()}.`
    link.nc.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (!error) this.#answer(message)
      },
    })
    link.onConnection((connected) => {
      if (!connected) this.#rejectAll('disconnected')
    })
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS)
    this.#sweeper.unref()
  }

  send(subject: string, payload: string | Uint8Array, headers?: MsgHdrs): Promise<Msg> {
    return new Promise((resolve, reject) => {
      if (!this.#link.connected) {
        reject(new NoAnswerError('unsent', subject))
        return
      }
      const token = (this.#next++).toString(36)
      // Deadlines are in the order of insertion, because the limit is the same for all.
      this.#waiting.set(token, { subject, deadline: performance.now() + this.#timeoutMs, resolve, reject })
      try {
        this.#link.nc.publish(subject, payload, headers ? { reply: this.#inbox + token, headers } : { reply: this.#inbox + token })
      } catch (error) {
        this.#waiting.delete(token)
        reject(Object.assign(new NoAnswerError('unsent', subject), { cause: error }))
      }
    })
  }

  /** Resolves when every request under way has been settled. */
  async drain(): Promise<void> {
    if (this.#waiting.size === 0) return
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve
    })
  }

  stop(): void {
    clearInterval(this.#sweeper)
    this.#rejectAll('disconnected')
  }

  #answer(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length)
    const waiting = this.#waiting.get(token)
    if (!waiting) return
    this.#waiting.delete(token)
    if (message.data.length === 0 && message.headers?.code === 503) waiting.reject(new NoAnswerError('no-responders', waiting.subject))
    else waiting.resolve(message)
    this.#checkIdle()
  }

  #sweep(): void {
    const now = performance.now()
    for (const [token, waiting] of this.#waiting) {
      if (waiting.deadline > now) break
      this.#waiting.delete(token)
      waiting.reject(new NoAnswerError('timeout', waiting.subject))
    }
    this.#checkIdle()
  }

  #rejectAll(reason: NoAnswer): void {
    const all = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const waiting of all) waiting.reject(new NoAnswerError(reason, waiting.subject))
    this.#checkIdle()
  }

  #checkIdle(): void {
    if (this.#waiting.size > 0) return
    this.#onIdle?.()
    this.#onIdle = undefined
  }
}
