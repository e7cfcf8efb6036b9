import type { ApiError, ConsumerConfig, ConsumerInfo, StreamConfig, StreamInfo } from '@nats-io/jetstream'
import { CairnError } from '../../errors/index.ts'
import type { NatsLink } from './nats-connection.ts'
import { NoAnswerError, type Requests } from './requests.ts'

export const STREAM_NOT_FOUND = 10059
export const CONSUMER_NOT_FOUND = 10014
export const STREAM_NAME_IN_USE = 10058
export const WRONG_LAST_SEQUENCE = 10071
export const STORE_FAILED = 10077
export const MESSAGE_TOO_LARGE = 10054

/** JetStream answered with an error. */
export class ApiRefusal extends Error {
  override readonly name = 'ApiRefusal'
  readonly api: ApiError

  constructor(subject: string, api: ApiError) {
    super(`${subject}: ${api.description} (${api.err_code})`)
    this.api = api
  }
}

/**
 * JetStream's own JSON interface. The client library would refuse settings that it believes the server does not
 * know; asking and reading back what was kept tells for certain.
 */
export class JetStreamApi {
  readonly #link: NatsLink
  readonly #requests: Requests

  constructor(link: NatsLink, requests: Requests) {
    this.#link = link
    this.#requests = requests
  }

  /** Throws ApiRefusal when JetStream says no, CONNECTION_FAILED or TIMEOUT when it says nothing. */
  async call<T>(subject: string, body?: object): Promise<T> {
    let text: string
    try {
      text = (await this.#requests.send(`$JS.API.${subject}`, body === undefined ? '' : JSON.stringify(body))).string()
    } catch (error) {
      throw this.noAnswer(error)
    }
    const answer = JSON.parse(text) as T & { error?: ApiError }
    if (answer.error) throw new ApiRefusal(subject, answer.error)
    return answer
  }

  /** The error for a read or an administrative call that was not answered. */
  noAnswer(error: unknown): unknown {
    if (!(error instanceof NoAnswerError)) return error
    if (error.reason === 'timeout') return new CairnError('TIMEOUT', `NATS at ${this.#link.where} did not answer in time.`, { cause: error })
    if (error.reason === 'no-responders') {
      return new CairnError('CONNECTION_FAILED', `JetStream at ${this.#link.where} does not answer: it is switched off (start nats-server with -js), still starting, or the stream is gone.`, {
        cause: error,
        details: { servers: this.#link.where },
      })
    }
    return Object.assign(this.#link.down(), { cause: error })
  }

  async streamInfo(stream: string): Promise<StreamInfo | undefined> {
    try {
      return await this.call<StreamInfo>(`STREAM.INFO.${stream}`)
    } catch (error) {
      if (error instanceof ApiRefusal && error.api.err_code === STREAM_NOT_FOUND) return undefined
      throw error
    }
  }

  /**
   * Makes the stream, or changes it where `wanted` differs. Replicas are lowered until the cluster accepts them.
   * A setting that cannot be changed (the storage) is left as it is. Returns what the server really has.
   */
  async ensureStream(wanted: Partial<StreamConfig> & { name: string }): Promise<StreamInfo> {
    const existing = await this.streamInfo(wanted.name)
    if (existing) return this.#update(existing, wanted)
    for (let replicas = this.#link.nc.info?.cluster === undefined ? 1 : (wanted.num_replicas ?? 1); ; replicas--) {
      try {
        return await this.call<StreamInfo>(`STREAM.CREATE.${wanted.name}`, { ...wanted, num_replicas: replicas })
      } catch (error) {
        // Another process was first.
        if (error instanceof ApiRefusal && error.api.err_code === STREAM_NAME_IN_USE) {
          const made = await this.streamInfo(wanted.name)
          if (made) return this.#update(made, wanted)
        }
        if (!(error instanceof ApiRefusal) || replicas <= 1) throw refusal(error)
      }
    }
  }

  async #update(existing: StreamInfo, wanted: Partial<StreamConfig>): Promise<StreamInfo> {
    const current = existing.config as unknown as Record<string, unknown>
    const changes = Object.entries(wanted).filter(([field, value]) => field !== 'storage' && field !== 'num_replicas' && !sameSetting(current[field], value))
    // What the server dropped before it would drop again: only settings it knows can be brought up to date.
    const known = changes.filter(([field]) => field in current || ['max_bytes', 'max_age', 'republish', 'allow_direct'].includes(field))
    if (known.length === 0) return existing
    try {
      return await this.call<StreamInfo>(`STREAM.UPDATE.${existing.config.name}`, { ...existing.config, ...Object.fromEntries(known) })
    } catch (error) {
      throw refusal(error)
    }
  }

  createConsumer(stream: string, config: Partial<ConsumerConfig>): Promise<ConsumerInfo> {
    const durable = config.durable_name
    const subject = durable === undefined ? `CONSUMER.CREATE.${stream}` : `CONSUMER.DURABLE.CREATE.${stream}.${durable}`
    return this.call<ConsumerInfo>(subject, { stream_name: stream, config })
  }

  async deleteConsumer(stream: string, consumer: string): Promise<void> {
    await this.call(`CONSUMER.DELETE.${stream}.${consumer}`)
  }
}

/** JetStream's refusal as an error of the catalogue. */
export function refusal(error: unknown): unknown {
  if (!(error instanceof ApiRefusal)) return error
  const { code, description, err_code: number } = error.api
  if (code === 503) return new CairnError('CONNECTION_FAILED', `JetStream is not available: ${description}.`, { cause: error, details: { number } })
  if (number === STREAM_NOT_FOUND) return new CairnError('CONNECTION_FAILED', 'The stream is gone. Open it again to make a new one.', { cause: error, details: { number } })
  if (number === STORE_FAILED || /insufficient|maximum/.test(description)) {
    return new CairnError('STORAGE_FULL', `JetStream refused to store it: ${description}. Free space, or raise the limit.`, { cause: error, details: { number } })
  }
  return new CairnError('UNKNOWN', `JetStream refused: ${description}.`, { cause: error, details: { number } })
}

function sameSetting(current: unknown, wanted: unknown): boolean {
  if (typeof wanted === 'object' && wanted !== null) return JSON.stringify(sorted(current)) === JSON.stringify(sorted(wanted))
  // The server leaves out what is zero, false or empty.
  if (current === undefined) return wanted === undefined || wanted === 0 || wanted === false || wanted === ''
  return current === wanted
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
