import type { JetStreamManager, StreamInfo } from '@nats-io/jetstream'
import { type Msg, type MsgHdrs, type NatsConnection, headers as makeHeaders } from '@nats-io/transport-node'
import { CairnError } from '../../../errors/index.ts'
import type { Logger } from '../../../observability/index.ts'
import type { KvBucket, KvBucketStatus, KvEntry, KvKey, KvWatcher, KvWriteOptions } from '../kv-engine.ts'
import { checkKey, checkOperationId, checkPattern, checkPrefix, checkValue, checkWhole, payloadTooLarge, versionConflict } from '../kv-keys.ts'
import type { BucketNames } from './bucket-stream.ts'
import { BucketFeed } from './bucket-feed.ts'
import { watchBucket } from './bucket-watch.ts'
import { entryParts } from './entry-parts.ts'
import { type RequestMux, WRONG_LAST_SEQUENCE, toNatsError } from '../../nats/index.ts'
import { encodeKey, encodeSegment } from './subject-codec.ts'

/** Room for the headers of a write within the server's max_payload. */
const HEADER_ROOM = 1_024

interface PubAck {
  readonly seq?: number
  readonly duplicate?: boolean
  readonly error?: { readonly code: number; readonly err_code?: number; readonly description?: string }
}

export interface BucketOwner {
  readonly connection: NatsConnection
  readonly jsm: JetStreamManager
  readonly mux: RequestMux
  readonly maxPayload: number
  readonly log: Logger
  /** Throws CLOSED or CONNECTION_FAILED while nothing can be sent. */
  assertUp(): void
  onReconnect(listener: () => void): () => void
}

/** A JetStream KV bucket. The stream's sequence is the revision; the stream itself is the change feed. */
export class JetStreamBucket implements KvBucket {
  readonly name: string
  readonly epoch: string
  readonly #owner: BucketOwner
  readonly #names: BucketNames
  readonly #feed: BucketFeed
  readonly #republished: boolean
  /** Followers of a replicated stream may lag, so only a stream of one replica is read directly. */
  readonly #direct: boolean

  readonly #maxValueBytes: number

  constructor(owner: BucketOwner, name: string, names: BucketNames, info: StreamInfo, maxValueBytes = Number.POSITIVE_INFINITY) {
    this.#maxValueBytes = maxValueBytes
    this.name = name
    this.#owner = owner
    this.#names = names
    this.epoch = info.created
    this.#republished = info.config.republish !== undefined
    this.#direct = info.config.allow_direct && info.config.num_replicas === 1
    this.#feed = new BucketFeed(owner.jsm, names)
  }

  async get(key: KvKey): Promise<KvEntry | undefined> {
    checkKey(key)
    this.#owner.assertUp()
    const subject = this.#names.subjects + encodeKey(key)
    if (!this.#direct) return this.#throughLeader(key, subject)
    const message = await this.#owner.mux.request(`$JS.API.DIRECT.GET.${this.#names.stream}.${subject}`, '', undefined, (reason) => new CairnError('CONNECTION_FAILED', `NATS: reading ${JSON.stringify(key)} failed: ${reason}.`))
    const { headers } = message
    if (headers?.code === 404) return undefined
    if (headers === undefined || headers.code >= 400) throw noAnswer(message, `reading ${JSON.stringify(key)}`)
    return { key, ...entryParts(headers, () => message.string()), revision: Number(headers.get('Nats-Sequence')) }
  }

  async put(key: KvKey, value: string, options: KvWriteOptions = {}): Promise<number> {
    checkKey(key)
    checkValue(value)
    const limit = Math.min(this.#maxValueBytes, this.#owner.maxPayload - HEADER_ROOM)
    if (value.length * 3 > limit) {
      const bytes = Buffer.byteLength(value)
      if (bytes > limit) throw payloadTooLarge('value', bytes, limit)
    }
    return this.#write(key, value, options, undefined)
  }

  async delete(key: KvKey, options: KvWriteOptions = {}): Promise<number> {
    checkKey(key)
    const headers = makeHeaders()
    headers.set('KV-Operation', 'DEL')
    return this.#write(key, '', options, headers)
  }

  async purge(key: KvKey, revision: number): Promise<void> {
    checkKey(key)
    checkWhole('revision', revision, 0)
    this.#owner.assertUp()
    // A server that is to remove what is before the first entry removes all.
    if (revision === 0) return
    // The server removes what is before `seq`, so a newer entry stays whatever happens in between.
    await this.#call('purging a key', () => this.#owner.jsm.streams.purge(this.#names.stream, { filter: this.#names.subjects + encodeKey(key), seq: revision + 1 }))
  }

  async purgeUnder(prefix: KvKey, revision: number): Promise<void> {
    checkPrefix(prefix, 1)
    checkWhole('revision', revision, 0)
    this.#owner.assertUp()
    if (revision === 0) return
    await this.#call('purging keys', () => this.#owner.jsm.streams.purge(this.#names.stream, { filter: `${this.#names.subjects}${prefix.join('.')}.>`, seq: revision + 1 }))
  }

  async *list(prefix: KvKey): AsyncIterable<KvEntry> {
    this.#owner.assertUp()
    try {
      yield* this.#feed.list(prefix)
    } catch (error) {
      throw toNatsError(error, `listing the bucket ${this.name}`)
    }
  }

  async watch(watcher: KvWatcher, pattern?: KvKey): Promise<() => Promise<void>> {
    this.#owner.assertUp()
    if (pattern !== undefined) checkPattern(pattern)
    return this.#call('watching', () => watchBucket(this.#owner, this.#names, this.#republished, watcher, pattern))
  }

  async changes(after: number, limit: number): Promise<{ entries: KvEntry[]; cursor: number; lastRevision: number }> {
    checkWhole('after', after, 0)
    checkWhole('limit', limit, 1)
    this.#owner.assertUp()
    return this.#call('reading the change feed', () => this.#feed.changes(after, limit))
  }

  /** The stream keeps the latest entry of each key for as long as it lives, so there is no log to drop. */
  async acknowledgeChanges(revision: number): Promise<void> {
    checkWhole('revision', revision, 0)
    this.#owner.assertUp()
  }

  async status(): Promise<KvBucketStatus> {
    this.#owner.assertUp()
    const { state } = await this.#call('reading the status', () => this.#owner.jsm.streams.info(this.#names.stream))
    return { entries: state.messages, bytes: state.bytes, lastRevision: state.last_seq }
  }

  async #write(key: KvKey, payload: string, options: KvWriteOptions, given: MsgHdrs | undefined): Promise<number> {
    this.#owner.assertUp()
    let headers = given
    if (options.expectedRevision !== undefined) {
      checkWhole('expectedRevision', options.expectedRevision, 0)
      headers ??= makeHeaders()
      headers.set('Nats-Expected-Last-Subject-Sequence', String(options.expectedRevision))
    }
    if (options.operationId !== undefined) {
      checkOperationId(options.operationId)
      headers ??= makeHeaders()
      headers.set('Nats-Msg-Id', encodeSegment(options.operationId))
    }
    const message = await this.#owner.mux.request(this.#names.subjects + encodeKey(key), payload, headers, (reason) => outcomeUnknown(key, reason))
    if (message.headers !== undefined && message.headers.code >= 400) throw noAnswer(message, `writing ${JSON.stringify(key)}`)
    const ack = JSON.parse(message.string()) as PubAck
    if (ack.error === undefined && ack.seq !== undefined) return ack.seq
    if (ack.error?.err_code === WRONG_LAST_SEQUENCE) throw versionConflict(key, options.expectedRevision ?? 0, (await this.get(key))?.revision ?? 0)
    const refusal = ack.error?.description ?? 'no reason given'
    if (/maximum (bytes|messages) exceeded|insufficient (storage )?resources/.test(refusal)) {
      throw new CairnError('STORAGE_FULL', `NATS refused to store ${JSON.stringify(key)}: the bucket ${this.name} is full (${refusal}). Raise its size or delete entries; what it holds is kept.`)
    }
    if (refusal.includes('message size exceeds')) throw new CairnError('PAYLOAD_TOO_LARGE', `NATS refused ${JSON.stringify(key)}: ${refusal}.`)
    throw new CairnError('UNKNOWN', `NATS refused to store ${JSON.stringify(key)}: ${refusal}.`)
  }

  async #throughLeader(key: KvKey, subject: string): Promise<KvEntry | undefined> {
    const message = await this.#call('reading a key', () => this.#owner.jsm.streams.getMessage(this.#names.stream, { last_by_subj: subject }))
    return message === null ? undefined : { key, ...entryParts(message.header, () => message.string()), revision: message.seq }
  }

  async #call<T>(doing: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      throw toNatsError(error, `${doing} (bucket ${this.name})`)
    }
  }
}

function outcomeUnknown(key: KvKey, reason: string): CairnError {
  return new CairnError('OUTCOME_UNKNOWN', `NATS: the write of ${JSON.stringify(key)} was sent, but ${reason}: it may or may not be stored. Repeat it with the same operationId.`)
}

/** 503: no stream listens to the subject, so nothing was stored. */
function noAnswer(message: Msg, doing: string): CairnError {
  const { code, description } = message.headers as MsgHdrs
  const what = code === 503 ? 'nobody answered; JetStream may be starting, off, or the bucket is gone' : description
  return new CairnError('CONNECTION_FAILED', `NATS: ${doing} failed: ${what} (${code}).`)
}
