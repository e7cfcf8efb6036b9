import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node'
import { uuidv7 } from '../../../ids/index.ts'
import { CairnError, isCairnError } from '../../../errors/index.ts'
import { type Logger, SILENT_LOGGER } from '../../../observability/index.ts'
import { CONSUMER_NOT_FOUND, type JetStreamOptions, REQUEST_TIMEOUT_MS, RequestMux, STREAM_NOT_FOUND, assertPlaceable, connectNats, isApiError, placementOf, serverFacts, toNatsError } from '../../nats/index.ts'
import { checkHeaders, checkMessageId, checkStreamName, checkStreamOptions, checkSubject, encodePayload, resolveConsumer, resolveTail } from '../stream-checks.ts'
import type { ConsumerOptions, PublishOptions, StreamConsumer, StreamEngine, StreamOptions, StreamStatus, TailMessage, TailOptions } from '../stream-engine.ts'
import { type ReadDeadLetters, type StoredDeadLetter, readDeadLetters } from './dead-letters.ts'
import { ensureWireStream } from './ensure-stream.ts'
import { openConsumer } from './jetstream-consumer.ts'
import { sequenceOf, tailJetStream } from './jetstream-tail.ts'
import { streamStatus } from './stream-status.ts'
import { WireNames } from './wire-names.ts'
import { wireHeaders } from './wire-message.ts'

/** Room within max_payload for our own headers, also for those that a dead letter gets. */
const HEADER_ROOM = 2_048
const DEFAULT_REPLICAS = 3
const DEAD_LETTERS_KEPT_MS = 30 * 86_400_000
const MESSAGE_NOT_FOUND = 10_043
/** A limit of the account or of the server is reached: there is room when something leaves, or somebody raises it. */
const NO_ROOM: ReadonlySet<number> = new Set([10_002, 10_023, 10_028, 10_047])

interface PubAck {
  readonly seq?: number
  readonly error?: { readonly code?: number; readonly err_code?: number; readonly description?: string }
}

/** What a consumer needs of its engine. */
export interface StreamsOwner {
  readonly connection: NatsConnection
  readonly jsm: JetStreamManager
  readonly mux: RequestMux
  readonly names: WireNames
  readonly log: Logger
  readonly timeoutMs: number
  /** Aborted when the engine is closed or has lost its connection. */
  readonly signal: AbortSignal
  /** Throws CLOSED or CONNECTION_FAILED while nothing can be sent. */
  assertUp(): void
  /** Resolves with the sequence once a stream has stored it. */
  store(subject: string, payload: string, headers: MsgHdrs): Promise<number>
  /** As `store`, among the dead letters; makes their stream when it is gone. */
  bury(subject: string, payload: string, headers: MsgHdrs): Promise<number>
  /** When each stream was made of which this process had a durable consumer, by stream and consumer. */
  readonly consumed: Map<string, string>
}

export interface JetStreamStreamEngine extends StreamEngine {
  /** False while the server cannot be reached. */
  readonly connected: boolean
  /** Most bytes of payload and headers that the server takes. */
  readonly maxPayloadBytes: number
  readonly serverVersion: string
  /** Messages given up by the consumers whose names begin with `<owner>=`, oldest first. */
  deadLetters(owner: string, read: ReadDeadLetters): Promise<StoredDeadLetter[]>
  /** False when there is none at this position. */
  removeDeadLetter(sequence: number): Promise<boolean>
  /** Told when a lost connection stands again: the server may have lost its streams meanwhile. Returns what ends it. */
  onReconnect(listener: () => void): () => void
  /** Takes a durable consumer away; false when there is none. */
  removeConsumer(stream: string, name: string): Promise<boolean>
}

/**
 * Connects to NATS. Errors: CONNECTION_FAILED (no server, or JetStream is off), AUTHENTICATION_FAILED, INVALID_OPTION.
 * With `prefix`, streams are named `<prefix><name>` and every subject begins with the token `<prefix>`.
 */
export async function openJetStreamStreams(options: JetStreamOptions): Promise<JetStreamStreamEngine> {
  const connection = await connectNats(options, 'cairn-streams')
  try {
    assertPlaceable(options.placement, connection)
    const jsm = await jetstreamManager(connection, { timeout: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS })
    return new JetStreamStreams(connection, jsm, options)
  } catch (error) {
    await connection.close()
    throw toNatsError(error, 'asking for JetStream')
  }
}

class JetStreamStreams implements JetStreamStreamEngine {
  readonly kind = 'jetstream'
  readonly #connection: NatsConnection
  readonly #jsm: JetStreamManager
  readonly #options: JetStreamOptions
  readonly #mux: RequestMux
  readonly #names: WireNames
  readonly #timeoutMs: number
  readonly #closed = new AbortController()
  #up = new AbortController()
  /** When each stream was made that this process has seen to. */
  readonly #made = new Map<string, string>()
  readonly #consumed = new Map<string, string>()
  readonly #reconnects = new Set<() => void>()
  #deadLetters: Promise<unknown> | undefined
  #closing: Promise<void> | undefined

  constructor(connection: NatsConnection, jsm: JetStreamManager, options: JetStreamOptions) {
    this.#connection = connection
    this.#jsm = jsm
    this.#options = options
    this.#timeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS
    this.#mux = new RequestMux(connection, this.#timeoutMs)
    this.#names = new WireNames(options.prefix ?? '')
    void this.#followStatus()
  }

  async ensureStream(options: StreamOptions): Promise<void> {
    checkStreamOptions(options)
    this.#assertUp()
    const subjects = [...options.subjects.map((subject) => this.#names.subject(subject)), ...(options.alsoSubjects ?? [])]
    await this.#ensure(this.#names.stream(options.name), { ...options, subjects })
  }

  async publish(subject: string, payload: unknown, options: PublishOptions = {}): Promise<number> {
    checkSubject(subject)
    const id = options.id ?? uuidv7()
    const headers = options.headers ?? {}
    checkMessageId(id)
    checkHeaders(headers)
    this.#assertUp()
    const text = encodePayload(payload, headers, this.maxPayloadBytes)
    return this.#store(this.#names.subject(subject), text, wireHeaders(id, headers))
  }

  async consumer(stream: string, options: ConsumerOptions): Promise<StreamConsumer> {
    checkStreamName('stream', stream)
    const resolved = resolveConsumer(options)
    this.#assertUp()
    try {
      await this.#ensureDeadLetters()
      return await openConsumer(this.#owner, stream, resolved)
    } catch (error) {
      if (isApiError(error, STREAM_NOT_FOUND)) throw new CairnError('NOT_FOUND', `There is no stream ${stream}. Make it with ensureStream.`, { cause: error, details: { stream } })
      throw toNatsError(error, `opening the consumer ${resolved.name} of ${stream}`)
    }
  }

  get connected(): boolean {
    return this.#closing === undefined && !this.#up.signal.aborted
  }

  get maxPayloadBytes(): number {
    return (this.#connection.info?.max_payload ?? 1_048_576) - HEADER_ROOM
  }

  get serverVersion(): string {
    return this.#connection.info?.version ?? 'unknown'
  }

  tail(stream: string, options: TailOptions = {}): AsyncIterable<TailMessage> {
    checkStreamName('stream', stream)
    const resolved = resolveTail(options)
    if (typeof resolved.from === 'object') sequenceOf(resolved.from.after)
    this.#assertUp()
    const signal = options.signal === undefined ? this.#closed.signal : AbortSignal.any([options.signal, this.#closed.signal])
    return tailJetStream(this.#owner, stream, resolved, signal)
  }

  async end(stream: string): Promise<string> {
    return String((await this.status(stream)).lastSequence)
  }

  async status(stream: string): Promise<StreamStatus> {
    checkStreamName('stream', stream)
    this.#assertUp()
    return streamStatus(this.#owner, stream)
  }

  async deadLetters(owner: string, read: ReadDeadLetters): Promise<StoredDeadLetter[]> {
    this.#assertUp()
    await this.#ensureDeadLetters()
    return readDeadLetters(this.#owner, this.#names.deadLettersOfOwner(owner), read)
  }

  onReconnect(listener: () => void): () => void {
    this.#reconnects.add(listener)
    return () => this.#reconnects.delete(listener)
  }

  async removeDeadLetter(sequence: number): Promise<boolean> {
    this.#assertUp()
    try {
      return await this.#jsm.streams.deleteMessage(this.#names.deadLetterStream, sequence, false)
    } catch (error) {
      if (isApiError(error, MESSAGE_NOT_FOUND, STREAM_NOT_FOUND)) return false
      throw toNatsError(error, 'removing a dead letter')
    }
  }

  async removeConsumer(stream: string, name: string): Promise<boolean> {
    checkStreamName('stream', stream)
    this.#assertUp()
    try {
      return await this.#jsm.consumers.delete(this.#names.stream(stream), name)
    } catch (error) {
      if (isApiError(error, CONSUMER_NOT_FOUND, STREAM_NOT_FOUND)) return false
      throw toNatsError(error, `removing the consumer ${name}`)
    }
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#closed.abort()
      if (!this.#up.signal.aborted) await this.#mux.drain()
      this.#up.abort()
      this.#mux.close()
      await this.#connection.close().catch(() => undefined)
    })()
    return this.#closing
  }

  get #log(): Logger {
    return this.#options.log ?? SILENT_LOGGER
  }

  get #owner(): StreamsOwner {
    const signal = (): AbortSignal => this.#up.signal
    return {
      connection: this.#connection,
      jsm: this.#jsm,
      mux: this.#mux,
      names: this.#names,
      log: this.#log,
      timeoutMs: this.#timeoutMs,
      get signal() {
        return signal()
      },
      assertUp: () => this.#assertUp(),
      consumed: this.#consumed,
      store: (subject, payload, headers) => this.#store(subject, payload, headers),
      bury: async (subject, payload, headers) => {
        try {
          return await this.#store(subject, payload, headers)
        } catch (error) {
          if (!isCairnError(error, 'NOT_FOUND')) throw error
          this.#deadLetters = undefined
          await this.#ensureDeadLetters()
          return this.#store(subject, payload, headers)
        }
      },
    }
  }

  async #store(subject: string, payload: string, headers: MsgHdrs): Promise<number> {
    this.#assertUp()
    const id = headers.get('Nats-Msg-Id')
    const message = await this.#mux.request(subject, payload, headers, (reason) =>
      new CairnError('OUTCOME_UNKNOWN', `NATS: a message to ${subject} was sent, but ${reason}: it may or may not be stored. Publish it again with the id ${id}: it is not stored twice.`, { details: { id } }),
    )
    if ((message.headers?.code ?? 0) >= 400) throw await this.#nobodyAnswered(subject)
    const ack = JSON.parse(message.string()) as PubAck
    if (ack.error === undefined && ack.seq !== undefined) return ack.seq
    const refusal = ack.error?.description ?? 'no reason given'
    if (NO_ROOM.has(ack.error?.err_code ?? 0) || /maximum (bytes|messages) exceeded|insufficient (storage )?resources/.test(refusal)) throw new CairnError('STORAGE_FULL', `NATS refused a message to ${subject}: ${refusal}.`)
    if (refusal.includes('message size exceeds')) throw new CairnError('PAYLOAD_TOO_LARGE', `NATS refused a message to ${subject}: ${refusal}.`)
    if ((ack.error?.code ?? 0) >= 500) throw new CairnError('CONNECTION_FAILED', `NATS: JetStream does not take a message to ${subject} at this moment: ${refusal}. Nothing was stored.`)
    throw new CairnError('UNKNOWN', `NATS refused a message to ${subject}: ${refusal}.`)
  }

  /** Either no stream has the subject, or JetStream does not answer for it at the moment. */
  async #nobodyAnswered(subject: string): Promise<CairnError> {
    try {
      await this.#jsm.streams.find(subject)
    } catch (error) {
      if (/no stream matches/i.test(String(error))) {
        return new CairnError('NOT_FOUND', `No stream has the subject ${this.#names.plain(subject)}. Make one with ensureStream.`, { cause: error, details: { subject: this.#names.plain(subject) } })
      }
    }
    return new CairnError('CONNECTION_FAILED', `NATS: nobody answered for ${subject}; JetStream may be starting, off, or electing a leader. Nothing was stored.`)
  }

  #ensureDeadLetters(): Promise<unknown> {
    this.#deadLetters ??= this.#ensure(this.#names.deadLetterStream, { subjects: [this.#names.deadLetters], maxAgeMs: DEAD_LETTERS_KEPT_MS }).catch((error: unknown) => {
      this.#deadLetters = undefined
      throw error
    })
    return this.#deadLetters
  }

  async #ensure(name: string, options: Omit<StreamOptions, 'name'>): Promise<void> {
    const { subjects, maxAgeMs = 0, maxMessages = -1, maxBytes = -1, storage = 'file', replicas = this.#options.replicas ?? DEFAULT_REPLICAS, allowRollup = false } = options
    // More than a message may have at all is no limit, and the server would only pretend to keep it.
    const maxMessageBytes = options.maxMessageBytes === undefined ? -1 : Math.min(options.maxMessageBytes, this.#connection.info?.max_payload ?? options.maxMessageBytes)
    try {
      const { config, created } = await ensureWireStream(this.#jsm, { name, subjects, maxAgeMs, maxMessages, maxBytes, storage, replicas, maxMessageBytes, allowRollup, placement: placementOf(this.#options.placement, name.slice((this.#options.prefix ?? '').length)), keepSubjects: (subject) => options.alsoSubjects === undefined && !this.#names.own(subject) }, serverFacts(this.#connection))
      const before = this.#made.get(name)
      if (before !== undefined && before !== created) this.#log.error({ stream: name, before, created }, 'the server lost the stream, and it was made again: what it held and no consumer had taken is gone; what waits in the outbox goes out')
      this.#made.set(name, created)
      if (config.num_replicas < replicas) this.#log.debug({ stream: name, wished: replicas, replicas: config.num_replicas }, 'the stream has fewer replicas than wished: the cluster is smaller')
      if (config.storage !== storage) this.#log.warn({ stream: name, wished: storage, storage: config.storage }, 'the storage of an existing stream cannot be changed')
    } catch (error) {
      throw toNatsError(error, `making the stream ${name}`)
    }
  }

  #assertUp(): void {
    if (this.#closing !== undefined) throw new CairnError('CLOSED', 'The stream engine has been closed.')
    if (this.#up.signal.aborted) throw new CairnError('CONNECTION_FAILED', 'NATS: the connection is down; nothing was sent. The engine reconnects by itself.')
  }

  async #followStatus(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === 'disconnect' || status.type === 'close' || status.type === 'staleConnection') {
        this.#up.abort()
        this.#mux.failAll('the connection was lost')
      } else if (status.type === 'reconnect' && this.#closing === undefined) {
        this.#up = new AbortController()
        this.#deadLetters = undefined
        for (const listener of this.#reconnects) listener()
      }
    }
  }
}
