import { setTimeout as sleep } from 'node:timers/promises'
import { AckPolicy, type ConsumerConfig, DeliverPolicy, ReplayPolicy } from '@nats-io/jetstream'
import { CairnError, isCairnError } from '../../../errors/index.ts'
import { CONSUMER_NOT_FOUND, STREAM_NOT_FOUND, isApiError, toNatsError } from '../../nats/index.ts'
import { badTailCursor, type resolveTail } from '../stream-checks.ts'
import type { TailMessage } from '../stream-engine.ts'
import type { StreamsOwner } from './jetstream-streams.ts'
import { pull } from './pull.ts'
import { readMessage, readPlace } from './wire-message.ts'

const NANOS = 1_000_000
const BATCH = 256
const WAIT_MS = 5_000
/** The server forgets a reader that nobody asks after this long. */
const IDLE_MS = 30_000
const RETRY_MS = 250

/**
 * Follows a stream through ephemeral consumers without acknowledgement. They live in the server's memory: after a restart, or
 * when a message got lost on the way (the consumer's own count has a gap), a new one starts behind the last message seen.
 */
export async function* tailJetStream(owner: StreamsOwner, stream: string, { filter, from, outside }: ReturnType<typeof resolveTail>, signal: AbortSignal): AsyncGenerator<TailMessage> {
  const { jsm, names } = owner
  const wire = names.stream(stream)
  const filterSubject = outside ? filter : names.subject(filter)
  let seen: number | undefined = typeof from === 'object' ? sequenceOf(from.after) : from === 'all' ? 0 : undefined

  /** Which life of the stream `seen` belongs to; a cursor does not say. */
  let made: string | undefined
  const open = async (): Promise<string> => {
    const { state, created } = await jsm.streams.info(wire)
    if (from === 'new') seen ??= state.last_seq
    // The stream was made again, and its positions start again: nothing of it was seen. (One of the same life that lost its end goes on there.)
    if (made !== undefined && made !== created) seen = 0
    else if (seen !== undefined && seen > state.last_seq) seen = made === undefined ? 0 : state.last_seq
    made = created
    const start: Partial<ConsumerConfig> = seen === undefined ? { deliver_policy: DeliverPolicy.LastPerSubject } : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: seen + 1 }
    const { name } = await jsm.consumers.add(wire, {
      ack_policy: AckPolicy.None,
      replay_policy: ReplayPolicy.Instant,
      inactive_threshold: IDLE_MS * NANOS,
      mem_storage: true,
      num_replicas: 1,
      filter_subject: filterSubject,
      ...start,
    })
    return name
  }

  let consumer: string | undefined
  let order = 0
  let opened = false
  try {
    while (!signal.aborted) {
      try {
        owner.assertUp()
        if (consumer === undefined) {
          consumer = await open()
          opened = true
          order = 0
        }
        const name: string = consumer
        const limits = { stream: wire, consumer: name, timeoutMs: owner.timeoutMs, signal: AbortSignal.any([signal, owner.signal]) }
        const messages = await pull(owner.connection, { ...limits, batch: 1, waitMs: WAIT_MS })
        if (messages.length > 0) messages.push(...(await pull(owner.connection, { ...limits, batch: BATCH, waitMs: 0 })))
        for (const message of messages) {
          const place = readPlace(message)
          if (place.order !== order + 1) {
            consumer = undefined
            break
          }
          order = place.order
          seen = place.sequence
          if (signal.aborted) return
          yield { ...readMessage(message, stream, names), cursor: String(place.sequence) }
        }
      } catch (error) {
        if (isCairnError(error, 'CLOSED')) return
        // Before the first reader was made, a stream that is not there is a mistake and no outage.
        if (!opened && isApiError(error, STREAM_NOT_FOUND)) throw new CairnError('NOT_FOUND', `There is no stream ${stream}. Make it with ensureStream.`, { cause: error, details: { stream } })
        const known = isApiError(error, STREAM_NOT_FOUND, CONSUMER_NOT_FOUND) ? undefined : toNatsError(error, `following the stream ${stream}`)
        if (known !== undefined && !known.retryable && known.code !== 'CLOSED') throw known
        consumer = undefined
        await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined)
      }
    }
  } finally {
    if (consumer !== undefined && !owner.connection.isClosed()) void jsm.consumers.delete(wire, consumer).catch(() => false)
  }
}

/** INVALID_CURSOR for text that is no position. */
export function sequenceOf(cursor: string): number {
  const sequence = Number(cursor)
  if (!/^\d{1,16}$/.test(cursor) || !Number.isSafeInteger(sequence)) throw badTailCursor(cursor)
  return sequence
}
