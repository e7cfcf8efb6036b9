import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SqlEngine } from '../../engines/sql/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import { DUE_INBOXES, SELECT_REPLIES } from './inbox-queries.ts'
import { NOTIFY } from './send-queries.ts'
import type { AgentMessage } from './types.ts'

/** How often one query looks for all that wait, in case a hint was lost, a lease ran out or a delay is over. */
const LOOK_EVERY_MS = 250
/** Looks after a send in a caller's transaction, whose commit nobody reports. */
const LOOK_SOON_MS = [2, 10, 30, 80]
/** A commit with NOTIFY takes a lock of the whole server, so there is at most one in this time; the first goes at once. */
const NOTIFY_EVERY_MS = 20

type Reply = (message: AgentMessage) => void

/**
 * All that waits for messages in this process, of one tenant: inboxes and requests. What is sent in this process wakes them at
 * once; other processes are told by NOTIFY without payload, and then one query finds out who is meant.
 */
export class Waiters {
  readonly #sql: SqlEngine
  readonly #identity: TenantIdentity
  readonly #log: Logger
  readonly #channel: string
  readonly #inboxes = new Map<string, Set<() => void>>()
  readonly #replies = new Map<string, Set<Reply>>()
  readonly #stopped = new AbortController()
  #kick = new AbortController()
  #looking: Promise<void> | undefined
  #listening: Promise<(() => Promise<void>) | undefined> | undefined
  #notifyAt = -Infinity
  #timer: NodeJS.Timeout | undefined
  #sending: Promise<unknown> = Promise.resolve()
  readonly #soon = new Set<NodeJS.Timeout>()

  constructor(sql: SqlEngine, identity: TenantIdentity, log: Logger) {
    this.#sql = sql
    this.#identity = identity
    this.#log = log
    // A tenant may be longer than the name of a channel.
    this.#channel = `cairn_messages_${createHash('sha256').update(identity.tenant).digest('hex').slice(0, 16)}`
  }

  /** Calls `wake` when one of the inboxes may have something, until the returned function is called. */
  onInbox(inboxIds: readonly string[], wake: () => void): () => void {
    for (const id of inboxIds) add(this.#inboxes, id, wake)
    this.#look()
    return () => {
      for (const id of inboxIds) remove(this.#inboxes, id, wake)
    }
  }

  /** Calls `take` with the reply, once it is stored, until the returned function is called. */
  onReply(correlationId: string, take: Reply): () => void {
    add(this.#replies, correlationId, take)
    this.#look()
    return () => remove(this.#replies, correlationId, take)
  }

  /** Something was stored for these inboxes, or a reply. */
  stored(inboxIds: readonly string[], isReply: boolean): void {
    for (const id of inboxIds) for (const wake of this.#inboxes.get(id) ?? []) wake()
    if (isReply && this.#replies.size > 0) this.lookNow()
    this.#tellOthers()
  }

  /** Something will be stored when a caller's transaction commits. */
  storedSoon(): void {
    for (const ms of LOOK_SOON_MS) {
      const timer = setTimeout(() => {
        this.#soon.delete(timer)
        this.lookNow()
        if (ms === LOOK_SOON_MS.at(-1)) this.#tellOthers()
      }, ms)
      timer.unref()
      this.#soon.add(timer)
    }
  }

  lookNow(): void {
    const before = this.#kick
    this.#kick = new AbortController()
    before.abort()
  }

  async close(): Promise<void> {
    this.#stopped.abort()
    clearTimeout(this.#timer)
    for (const timer of this.#soon) clearTimeout(timer)
    for (const wakes of this.#inboxes.values()) for (const wake of wakes) wake()
    await this.#looking
    await this.#sending
    await (await this.#listening)?.().catch(() => undefined)
  }

  #look(): void {
    // PGlite has one process.
    if (this.#sql.kind !== 'pglite' && !this.#stopped.signal.aborted) {
      this.#listening ??= this.#sql.listen(this.#channel, () => this.lookNow()).catch((error: unknown) => {
        this.#log.debug({ err: error }, 'no LISTEN; inboxes look for messages by themselves')
        return undefined
      })
    }
    this.#looking ??= this.#run().finally(() => {
      this.#looking = undefined
      if (this.#waiting && !this.#stopped.signal.aborted) this.#look()
    })
  }

  get #waiting(): boolean {
    return this.#inboxes.size > 0 || this.#replies.size > 0
  }

  async #run(): Promise<void> {
    while (this.#waiting && !this.#stopped.signal.aborted) {
      const kick = this.#kick
      try {
        await this.#find()
      } catch (error) {
        this.#log.debug({ err: error }, 'could not look for messages')
      }
      await sleep(LOOK_EVERY_MS, undefined, { signal: AbortSignal.any([kick.signal, this.#stopped.signal]), ref: false }).catch(() => undefined)
    }
  }

  async #find(): Promise<void> {
    const { tenant } = this.#identity
    if (this.#inboxes.size > 0) {
      const { rows } = await this.#sql.query<{ id: string }>(this.#identity, DUE_INBOXES, [tenant, [...this.#inboxes.keys()]], { name: 'messages_due' })
      for (const { id } of rows) for (const wake of this.#inboxes.get(id) ?? []) wake()
    }
    if (this.#replies.size > 0) {
      const { rows } = await this.#sql.query<AgentMessage>(this.#identity, SELECT_REPLIES, [tenant, [...this.#replies.keys()]], { name: 'messages_replies' })
      for (const row of rows) for (const take of this.#replies.get(row.correlationId ?? '') ?? []) take(row)
    }
  }

  #tellOthers(): void {
    if (this.#sql.kind === 'pglite' || this.#timer !== undefined || this.#stopped.signal.aborted) return
    const wait = this.#notifyAt + NOTIFY_EVERY_MS - performance.now()
    if (wait <= 0) this.#notify()
    else {
      this.#timer = setTimeout(() => this.#notify(), wait)
      this.#timer.unref()
    }
  }

  #notify(): void {
    this.#timer = undefined
    this.#notifyAt = performance.now()
    this.#sending = this.#sql.query(this.#identity, NOTIFY, [this.#channel], { name: 'messages_notify' }).catch((error: unknown) => this.#log.debug({ err: error }, 'other processes were not woken'))
  }
}

function add<T>(map: Map<string, Set<T>>, key: string, value: T): void {
  const set = map.get(key) ?? new Set<T>()
  map.set(key, set.add(value))
}

function remove<T>(map: Map<string, Set<T>>, key: string, value: T): void {
  const set = map.get(key)
  set?.delete(value)
  if (set?.size === 0) map.delete(key)
}
