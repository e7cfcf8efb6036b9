import type { Msg, MsgHdrs, NatsConnection, Subscription } from '@nats-io/transport-node'
import { createInbox } from '@nats-io/transport-node'
import { type Expected, NearAnswers } from '../near-answers.ts'

interface Pending {
  readonly deadline: number
  readonly expected: Expected
  resolve(message: Msg): void
  reject(error: unknown): void
  readonly failure: (reason: string) => unknown
}

const SWEEP_MS = 100

/**
 * Requests over one inbox subscription, with one timer for all of them. The client's own request makes a timer and a
 * promise race each, which costs a good part of the write rate.
 */
export class RequestMux {
  readonly #connection: NatsConnection
  readonly #prefix = createInbox()
  readonly #subscription: Subscription
  readonly #pending = new Map<string, Pending>()
  readonly #answers: NearAnswers
  readonly #timeoutMs: number
  readonly #sweep: NodeJS.Timeout
  #next = 0

  constructor(connection: NatsConnection, timeoutMs: number, stayAwakeMs?: number) {
    this.#answers = new NearAnswers(stayAwakeMs)
    this.#connection = connection
    this.#timeoutMs = timeoutMs
    this.#subscription = connection.subscribe(`${this.#prefix}.*`, {
      callback: (error, message) => {
        if (error !== null) return
        const token = message.subject.slice(this.#prefix.length + 1)
        this.#take(token)?.resolve(message)
      },
    })
    this.#sweep = setInterval(() => this.#expire(), SWEEP_MS)
    this.#sweep.unref()
  }

  /** `failure` makes the error for "sent, but no answer", with the reason. */
  request(subject: string, payload: string, headers: MsgHdrs | undefined, failure: (reason: string) => unknown): Promise<Msg> {
    return new Promise((resolve, reject) => {
      const token = (this.#next++).toString(36)
      const expected = this.#answers.sent()
      this.#pending.set(token, { deadline: expected.sentAt + this.#timeoutMs, expected, resolve, reject, failure })
      try {
        // Encoded into pooled memory: the client would allocate for each message.
        this.#connection.publish(subject, Buffer.from(payload), { reply: `${this.#prefix}.${token}`, ...(headers === undefined ? {} : { headers }) })
      } catch (error) {
        this.#take(token)
        reject(error)
      }
    })
  }

  /** The connection is gone: nobody will answer what is under way. */
  failAll(reason: string): void {
    for (const [token, pending] of this.#pending) {
      this.#take(token)
      pending.reject(pending.failure(reason))
    }
  }

  /** Resolves when everything under way has been answered or has failed. */
  async drain(): Promise<void> {
    while (this.#pending.size > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  }

  close(): void {
    clearInterval(this.#sweep)
    this.#subscription.unsubscribe()
    this.failAll('the engine was closed')
  }

  /** What waited for this answer waits no longer. */
  #take(token: string): Pending | undefined {
    const pending = this.#pending.get(token)
    if (pending === undefined) return undefined
    this.#pending.delete(token)
    this.#answers.ended(pending.expected)
    return pending
  }

  /** All wait equally long, so the map is in the order of the deadlines. */
  #expire(): void {
    const now = performance.now()
    for (const [token, pending] of this.#pending) {
      if (pending.deadline > now) return
      this.#take(token)
      pending.reject(pending.failure(`no answer within ${this.#timeoutMs} ms`))
    }
  }
}
