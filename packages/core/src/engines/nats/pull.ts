import { createInbox, type Msg } from '@nats-io/transport-node'
import { CairnError } from '../../errors/index.ts'
import type { NatsLink } from './nats-connection.ts'

/** The consumer is gone (its server restarted, or it was idle too long): make a new one. */
export class ConsumerGoneError extends Error {
  override readonly name = 'ConsumerGoneError'
}

/** What the reply subject of a delivered message says. */
export interface DeliveryFacts {
  readonly deliveries: number
  readonly streamSequence: number
  readonly consumerSequence: number
  readonly timeMs: number
  readonly pending: number
}

/** `$JS.ACK.[domain.account.]stream.consumer.deliveries.stream seq.consumer seq.time.pending[.token]` */
export function deliveryFacts(reply: string): DeliveryFacts {
  const tokens = reply.split('.')
  const at = tokens.length >= 11 ? 6 : 4
  return {
    deliveries: Number(tokens[at]),
    streamSequence: Number(tokens[at + 1]),
    consumerSequence: Number(tokens[at + 2]),
    timeMs: Math.floor(Number(tokens[at + 3]) / 1e6),
    pending: Number(tokens[at + 4]),
  }
}

export interface Pulled {
  readonly message: Msg
  readonly facts: DeliveryFacts
}

export interface PullOptions {
  readonly stream: string
  readonly consumer: string
  readonly batch: number
  /** How long the server waits for the first message; 0 = not at all. */
  readonly waitMs: number
  /** Limit for the whole pull beyond `waitMs`. */
  readonly timeoutMs: number
}

/**
 * One pull request: resolves with up to `batch` messages, as soon as there are no more at hand.
 * Throws ConsumerGoneError, TIMEOUT, CONNECTION_FAILED.
 */
export function pull(link: NatsLink, options: PullOptions): Promise<Pulled[]> {
  return new Promise((resolve, reject) => {
    const { stream, consumer, batch, waitMs } = options
    const inbox = createInbox()
    const pulled: Pulled[] = []
    const end = (error?: Error): void => {
      clearTimeout(timer)
      stopListening()
      subscription.unsubscribe()
      if (error && pulled.length === 0) reject(error)
      else resolve(pulled)
    }
    const timer = setTimeout(
      () => end(waitMs > 0 ? undefined : new CairnError('TIMEOUT', `NATS at ${link.where} did not answer in time.`)),
      waitMs + options.timeoutMs,
    )
    const stopListening = link.onConnection((connected) => {
      if (!connected) end(link.down())
    })
    const subscription = link.nc.subscribe(inbox, {
      callback: (error, message) => {
        if (error) {
          end(error)
          return
        }
        const status = message.headers?.code ?? 0
        if (status !== 0 && message.data.length === 0 && message.reply === '') {
          end(statusError(status, message.headers?.description ?? ''))
          return
        }
        if (message.reply === undefined || !message.reply.startsWith('$JS.ACK.')) return
        const facts = deliveryFacts(message.reply)
        pulled.push({ message, facts })
        if (pulled.length === batch || facts.pending === 0) end()
      },
    })
    const request = waitMs > 0 ? { batch, expires: waitMs * 1e6 } : { batch, no_wait: true }
    link.nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, JSON.stringify(request), { reply: inbox })
  })
}

/** 404 no messages, 408 time is up, 409 something about the consumer, 503 nobody answers for it. */
function statusError(status: number, description: string): Error | undefined {
  if (status === 503) return new ConsumerGoneError(description)
  if (status === 409 && /deleted|leadership|shutdown/i.test(description)) return new ConsumerGoneError(description)
  return undefined
}
