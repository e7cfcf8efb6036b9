import { type Msg, type NatsConnection, createInbox } from '@nats-io/transport-node'
import { CairnError } from '../../../errors/index.ts'

/**
 * nats-server 2.9 sends no end when the messages it counted have expired meanwhile: after this time without a word, a round
 * trip tells whether it is there.
 */
const QUIET_MS = 1_000

export interface PullRequest {
  readonly stream: string
  readonly consumer: string
  readonly batch: number
  /** 0: what is at hand and no waiting. */
  readonly waitMs: number
  /** Limit for the answer of the server, beyond `waitMs`. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/**
 * One pull request, over its own inbox. It ends with the full batch or with the server's word that there is no more, never
 * earlier: a message sent to an inbox that nobody reads any more would come again only after its ack wait.
 */
export function pull(connection: NatsConnection, request: PullRequest): Promise<Msg[]> {
  // One that was aborted before tells nobody any more.
  if (request.signal.aborted) return Promise.resolve([])
  return new Promise((resolve, reject) => {
    const inbox = createInbox()
    const messages: Msg[] = []
    const end = (error?: CairnError): void => {
      clearTimeout(timer)
      clearTimeout(quiet)
      request.signal.removeEventListener('abort', onAbort)
      subscription.unsubscribe()
      if (error !== undefined && messages.length === 0) reject(error)
      else resolve(messages)
    }
    let aborted = false
    let given = 0
    // The server still has the request. It keeps its reader until it ends, and what comes is given back: nats-server 2.9 counts
    // wrongly when it finds a request without a reader, and hands messages out twice or only after their ack wait.
    const onAbort = (): void => {
      aborted = true
      if (connection.isClosed()) end()
      else resolve(messages)
    }
    request.signal.addEventListener('abort', onAbort, { once: true })
    const timer = setTimeout(
      () => end(new CairnError('CONNECTION_FAILED', `NATS: the consumer ${request.consumer} did not answer in time.`)),
      request.waitMs + request.timeoutMs,
    )
    const quiet = setTimeout(() => {
      connection.rtt().then(
        () => end(),
        () => undefined,
      )
    }, request.waitMs + QUIET_MS)
    // Only for a request that nobody waits for any more: the others have the connection open.
    timer.unref()
    quiet.unref()
    const subscription = connection.subscribe(inbox, {
      callback: (error, message) => {
        if (aborted && error === null) {
          const code = message.headers?.code ?? 0
          if (code === 0 || message.data.length > 0) {
            message.respond('-NAK')
            if (++given + messages.length >= request.batch) end()
          } else if (code !== 100) end()
          return
        }
        if (error !== null) {
          end(new CairnError('CONNECTION_FAILED', `NATS: reading from the consumer ${request.consumer} failed: ${error.message}.`, { cause: error }))
          return
        }
        const status = message.headers?.code ?? 0
        if (status === 0 || message.data.length > 0) {
          messages.push(message)
          if (messages.length === request.batch) end()
        } else if (status !== 100) end(failureOf(status, message.headers?.description ?? '', request))
      },
    })
    const wish = request.waitMs > 0 ? { batch: request.batch, expires: request.waitMs * 1_000_000 } : { batch: request.batch, no_wait: true }
    try {
      connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${request.stream}.${request.consumer}`, JSON.stringify(wish), { reply: inbox })
    } catch (error) {
      end(new CairnError('CONNECTION_FAILED', `NATS: the consumer ${request.consumer} cannot be asked.`, { cause: error }))
    }
  })
}

/** 404 and 408 end a request in the ordinary way; 409 says that a limit is reached, or that the consumer is gone. */
function failureOf(status: number, description: string, { consumer }: PullRequest): CairnError | undefined {
  if (status === 503 || (status === 409 && /deleted|shutdown|leadership/i.test(description))) {
    return new CairnError('CONNECTION_FAILED', `NATS: nobody answers for the consumer ${consumer} (${status} ${description}). Its stream may be gone or moving.`)
  }
  return status === 404 || status === 408 || status === 409 ? undefined : new CairnError('UNKNOWN', `NATS: the consumer ${consumer} answered ${status} ${description}.`)
}
