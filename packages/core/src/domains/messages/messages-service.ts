import { OWNER } from '../../identity/index.ts'
import type { Page } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import * as z from 'zod'
import { Channels } from './channels.ts'
import { check, wholeMs } from '../../checks/index.ts'
import { MessageDeadLetters } from './dead-letters.ts'
import { getMessage, listMessages } from './history.ts'
import { FORGET_KEYS, PURGE_DEAD_LETTERS, PURGE_LOG, PURGE_RECEIPTS } from './history-queries.ts'
import { readInbox, receive } from './inbox.ts'
import { SWEEP_EXPIRED, SWEEP_SPENT } from './inbox-queries.ts'
import { Queues } from './queues.ts'
import { awaitReply, request } from './request.ts'
import { type MessageRoom, roomOf } from './room.ts'
import { type Draft, MAX_BATCH_MESSAGES, draft, sendAll, sendOne } from './send.ts'
import { ENSURE_PARTITIONS } from './send-queries.ts'
import { settle } from './settle.ts'
import { Subscriptions } from './subscriptions.ts'
import type { AgentMessage, InboxMessage, InboxOptions, MaintenanceResult, MessageListOptions, MessageRecord, MessageWithDeliveries, ReceiveOptions, RequestInput, RequestOptions, SendInput, SendOptions, Sent, Settlement } from './types.ts'

const SWEEP_ROWS = 1_000
const KEYS_KEPT_MS = 7 * 86_400_000

/**
 * Messages between agents (S1 §4, S4 §9.2): stored before they are delivered, at least once to each recipient, in the order of
 * priority and age. Exactly one of competing consumers has a message at a time; one that dies is replaced when its lease is over.
 *
 * Every method throws INVALID_ARGUMENT with the field's name for malformed input, and the engine's errors. What belongs to another
 * tenant does not exist.
 */
export class MessagesService {
  readonly channels: Channels
  readonly queues: Queues
  readonly subscriptions: Subscriptions
  readonly deadLetters: MessageDeadLetters
  readonly #context: DomainContext
  readonly #room: MessageRoom

  constructor(context: DomainContext) {
    this.#context = context
    this.#room = roomOf(context)
    this.channels = new Channels(this.#room)
    this.queues = new Queues(this.#room)
    this.subscriptions = new Subscriptions(this.#room)
    this.deadLetters = new MessageDeadLetters(this.#room)
  }

  /**
   * Resolves when the message and its deliveries are committed (with `tx`: when they are part of the caller's transaction). An
   * error of the connection leaves open whether they are: with `idempotencyKey`, sending again is safe.
   * AGENT_NOT_FOUND, NOT_FOUND (channel, queue), CHANNEL_INACTIVE, QUEUE_FULL, DUPLICATE_KEY, PAYLOAD_TOO_LARGE, SERIALIZATION_ERROR.
   */
  async send(input: SendInput, options: SendOptions = {}): Promise<Sent> {
    this.#room.assertOpen()
    return sendOne(this.#room, await draft(this.#room, this.#context, input, options), options)
  }

  /** Up to 1000 messages, all or none, in one statement. Errors as of `send`. */
  async sendMany(inputs: readonly SendInput[], options: SendOptions = {}): Promise<Sent[]> {
    this.#room.assertOpen()
    check(z.array(z.unknown()).max(MAX_BATCH_MESSAGES), inputs, 'messages')
    if (inputs.length === 0) return []
    const drafts: Draft[] = []
    for (const [index, input] of inputs.entries()) drafts.push(await draft(this.#room, this.#context, input, { ...options, field: `messages[${index}].` }))
    return sendAll(this.#room, drafts, options)
  }

  /**
   * The agent's messages as they come, by priority and age, until `signal` is aborted or the loop is left:
   * `for await (const message of cairn.messages.inbox('scout')) { …; await message.ack() }`. What was taken ahead goes back then;
   * the message in hand may still be settled. AGENT_NOT_FOUND, NOT_FOUND.
   */
  inbox(agent: string, options: InboxOptions = {}): AsyncGenerator<InboxMessage, void, undefined> {
    return readInbox(this.#room, this.#context, agent, options)
  }

  /** One look into the inbox, for consumers that ask now and then. Each message is to be settled within the lease. Errors as of `inbox`. */
  receive(agent: string, options: ReceiveOptions = {}): Promise<InboxMessage[]> {
    return receive(this.#room, this.#context, agent, options)
  }

  /** What a message's own `ack`, `nack` and `fail` do, by the numbers of its lease. DELIVERY_LOST */
  settle(settlement: Settlement): Promise<void> {
    return settle(this.#room, settlement)
  }

  /** Sends a query and resolves with its first reply. TIMEOUT with `details.correlationId`: the reply can be collected later. */
  request(input: RequestInput, options: RequestOptions = {}): Promise<AgentMessage> {
    return request(this.#room, this.#context, input, options)
  }

  /** The reply to a request, whoever sent it and whether or not that process still lives. TIMEOUT */
  awaitReply(correlationId: string, options: RequestOptions = {}): Promise<AgentMessage> {
    return awaitReply(this.#room, correlationId, options)
  }

  /** A message and the status of each of its deliveries. NOT_FOUND */
  get(messageId: string): Promise<MessageWithDeliveries> {
    return getMessage(this.#room, messageId)
  }

  /** What was sent, newest first: of a channel, between two agents, of a correlation. NOT_FOUND, AGENT_NOT_FOUND, INVALID_CURSOR. */
  list(options: MessageListOptions = {}): Promise<Page<MessageRecord>> {
    return listMessages(this.#room, options)
  }

  /**
   * Upkeep of this tenant: ends what expired or was handed out in vain for the last time in inboxes that nobody reads, forgets
   * idempotency keys older than `keysKeptMs`, and makes partitions ahead. Safe in any number of processes.
   */
  async maintain(options: { readonly keysKeptMs?: number } = {}): Promise<MaintenanceResult> {
    const keysKeptMs = check(wholeMs(0, 3_153_600_000_000), options.keysKeptMs ?? KEYS_KEPT_MS, 'keysKeptMs')
    await this.#room.ensurePartitions()
    const expired = await this.#sweep(SWEEP_EXPIRED)
    const dead = await this.#sweep(SWEEP_SPENT)
    const { sql, identity, tenant } = this.#room
    const forgotten = await sql.query(identity, FORGET_KEYS, [tenant, keysKeptMs])
    return { expired, dead, keysForgotten: forgotten.rowCount }
  }

  /** Deletes this tenant's messages, receipts and redriven dead letters older than `olderThanMs`; what is still to be delivered stays. */
  async purge(options: { readonly olderThanMs: number }): Promise<{ messages: number; receipts: number; deadLetters: number }> {
    const age = check(wholeMs(0, 3_153_600_000_000), options?.olderThanMs, 'olderThanMs')
    const { sql, identity, tenant } = this.#room
    const gone = async (statement: string): Promise<number> => (await sql.query(identity, statement, [tenant, age])).rowCount
    return { messages: await gone(PURGE_LOG), receipts: await gone(PURGE_RECEIPTS), deadLetters: await gone(PURGE_DEAD_LETTERS) }
  }

  /** Makes the monthly partitions of now and of `monthsAhead`; returns those that were missing. Needs the owner of the tables. */
  async ensurePartitions(monthsAhead = 3): Promise<{ name: string; from: Date; to: Date; rowsMoved: number }[]> {
    return (await this.#room.sql.query<{ name: string; from: Date; to: Date; rowsMoved: number }>(OWNER, ENSURE_PARTITIONS, [monthsAhead])).rows
  }

  async #sweep(statement: string): Promise<number> {
    const { sql, identity, tenant } = this.#room
    for (let total = 0; ; ) {
      const { rows } = await sql.query(identity, statement, [tenant, SWEEP_ROWS])
      total += rows.length
      if (rows.length < SWEEP_ROWS) return total
    }
  }
}
