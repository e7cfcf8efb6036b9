import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { CairnError } from '../../../errors/index.ts'
import { type Logger, SILENT_LOGGER } from '../../../observability/index.ts'
import type { KvBucket, KvBucketOptions, KvCapabilities, KvEngine } from '../kv-engine.ts'
import { checkBucketName } from '../kv-keys.ts'
import { bucketNames, ensureBucketStream } from './bucket-stream.ts'
import { type BucketOwner, JetStreamBucket } from './jetstream-bucket.ts'
import { type JetStreamOptions, REQUEST_TIMEOUT_MS, RequestMux, assertPlaceable, connectNats, placementOf, serverFacts, toNatsError } from '../../nats/index.ts'

const HEADER_ROOM = 1_024

/**
 * Connects to NATS and finds out what its JetStream can do.
 * Errors: CONNECTION_FAILED (no server, or JetStream is off), AUTHENTICATION_FAILED, INVALID_OPTION.
 */
export async function openJetStream(options: JetStreamOptions): Promise<JetStreamEngine> {
  const connection = await connectNats(options, 'cairn')
  try {
    assertPlaceable(options.placement, connection)
    const jsm = await jetstreamManager(connection, { timeout: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS })
    return new JetStreamEngine(connection, jsm, options)
  } catch (error) {
    await connection.close()
    throw toNatsError(error, 'asking for JetStream')
  }
}

export class JetStreamEngine implements KvEngine {
  readonly kind = 'jetstream'
  readonly #connection: NatsConnection
  readonly #jsm: JetStreamManager
  readonly #mux: RequestMux
  readonly #options: JetStreamOptions
  readonly #log: Logger
  readonly #listeners = new Set<(connected: boolean) => void>()
  readonly #reconnects = new Set<() => void>()
  #capabilities: KvCapabilities
  #connected = true
  #closing: Promise<void> | undefined

  constructor(connection: NatsConnection, jsm: JetStreamManager, options: JetStreamOptions) {
    this.#connection = connection
    this.#jsm = jsm
    this.#options = options
    this.#log = options.log ?? SILENT_LOGGER
    this.#mux = new RequestMux(connection, options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS, options.stayAwakeMs)
    this.#capabilities = {
      shared: true,
      // Asked for from a server that has it (2.10, 2.11), and read back when a bucket is opened.
      compression: false,
      perKeyTtl: false,
      republish: true,
      replicas: 1,
      serverVersion: connection.info?.version ?? 'unknown',
      maxValueBytes: this.#maxPayload - HEADER_ROOM,
    }
    void this.#followStatus()
  }

  get capabilities(): KvCapabilities {
    return this.#capabilities
  }

  get connected(): boolean {
    return this.#connected
  }

  async bucket(name: string, options: KvBucketOptions = {}): Promise<KvBucket> {
    checkBucketName(name)
    this.#assertUp()
    const names = bucketNames(this.#options.prefix ?? '', name)
    const { maxBucketBytes, placement } = this.#options
    const wished = { ...(maxBucketBytes === undefined ? {} : { maxBytes: maxBucketBytes }), ...options, replicas: options.replicas ?? this.#options.replicas ?? 3 }
    try {
      const info = await ensureBucketStream(this.#jsm, names, wished, serverFacts(this.#connection), placementOf(placement, name))
      this.#capabilities = {
        ...this.#capabilities,
        compression: (info.config.compression ?? 'none') !== 'none',
        perKeyTtl: (info.config as { allow_msg_ttl?: boolean }).allow_msg_ttl === true,
        republish: info.config.republish !== undefined,
        replicas: info.config.num_replicas,
      }
      if (info.config.num_replicas < wished.replicas) {
        this.#log.debug({ bucket: names.bucket, wished: wished.replicas, replicas: info.config.num_replicas }, 'the bucket has fewer replicas than wished: the cluster is smaller')
      }
      return new JetStreamBucket(this.#owner, name, names, info, options.maxValueBytes)
    } catch (error) {
      throw toNatsError(error, `opening the bucket ${names.bucket}`)
    }
  }

  onConnection(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async ping(): Promise<number> {
    this.#assertUp()
    try {
      return await this.#connection.rtt()
    } catch (error) {
      throw toNatsError(error, 'the round trip')
    }
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      if (this.#connected) await this.#mux.drain()
      this.#connected = false
      this.#mux.close()
      await this.#connection.close().catch(() => undefined)
    })()
    return this.#closing
  }

  get #maxPayload(): number {
    return this.#connection.info?.max_payload ?? 1_048_576
  }

  get #owner(): BucketOwner {
    return {
      connection: this.#connection,
      jsm: this.#jsm,
      mux: this.#mux,
      maxPayload: this.#maxPayload,
      log: this.#log,
      assertUp: () => this.#assertUp(),
      onReconnect: (listener) => {
        this.#reconnects.add(listener)
        return () => this.#reconnects.delete(listener)
      },
    }
  }

  #assertUp(): void {
    if (this.#closing !== undefined) throw new CairnError('CLOSED', 'The KV engine has been closed.')
    if (!this.#connected) throw new CairnError('CONNECTION_FAILED', 'NATS: the connection is down; the engine reconnects by itself.')
  }

  async #followStatus(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === 'disconnect' || status.type === 'close' || status.type === 'staleConnection') this.#setConnected(false)
      else if (status.type === 'reconnect') this.#setConnected(true)
      else if (status.type === 'slowConsumer') for (const listener of this.#reconnects) listener()
    }
  }

  #setConnected(connected: boolean): void {
    if (connected === this.#connected || this.#closing !== undefined) return
    this.#connected = connected
    if (!connected) this.#mux.failAll('the connection was lost')
    else for (const listener of this.#reconnects) listener()
    for (const listener of this.#listeners) listener(connected)
  }
}
