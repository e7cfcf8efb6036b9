import type { SqlSession } from '../../engines/sql/index.ts'
import type { PageOptions } from '../../paging/index.ts'
import type { ChannelPattern, ChannelPurpose, DeliveryStatus, MessageKind, MessageStatus, QueueKind } from './words.ts'

type JsonObject = Readonly<Record<string, unknown>>

/** What the messages of a channel or queue get when they do not say it themselves. */
export interface DeliveryDefaults {
  /** A message is handed out this long after it was sent. Of a queue of the kind `delayed` it is the point. */
  readonly delayMs?: number
  /** A message not done within this time is never delivered. */
  readonly ttlMs?: number
  /** Deliveries after the first one before a message is dead. @default 3 */
  readonly maxRetries?: number
  /** Wait before the first retry; doubled each time, up to 5 minutes. @default 1000 */
  readonly backoffMs?: number
}

export interface CreateChannel {
  readonly name: string
  readonly pattern: ChannelPattern
  /** @default 'agent_to_agent' */
  readonly purpose?: ChannelPurpose
  readonly description?: string
  readonly configuration?: DeliveryDefaults & JsonObject
  /** Of the pattern `queue`: its queue. @default { type: 'priority', maxSize: 10000 } */
  readonly queue?: { readonly type?: QueueKind; readonly maxSize?: number | null }
}

export interface UpdateChannel {
  readonly description?: string | null
  readonly configuration?: DeliveryDefaults & JsonObject
  readonly isActive?: boolean
}

export interface Channel {
  readonly id: string
  readonly name: string
  readonly pattern: ChannelPattern
  readonly purpose: ChannelPurpose
  readonly description: string | null
  readonly configuration: JsonObject
  readonly isActive: boolean
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface CreateQueue {
  readonly name: string
  /** `fifo`: by age. The others: by priority, then age; `delayed` and `retry` have defaults of their own in the configuration. @default 'priority' */
  readonly type?: QueueKind
  /** Messages that are not done; one more is refused with QUEUE_FULL. Null: no limit, and nothing is counted. @default 10000 */
  readonly maxSize?: number | null
  readonly configuration?: DeliveryDefaults & JsonObject
}

export interface UpdateQueue {
  /** Only of a queue that has a limit. Below what it holds, nothing is dropped: nothing more is let in until it fits. */
  readonly maxSize?: number
  readonly configuration?: DeliveryDefaults & JsonObject
  readonly isActive?: boolean
}

export interface Queue {
  readonly id: string
  readonly name: string
  readonly type: QueueKind
  readonly maxSize: number | null
  /** Messages that are not done. */
  readonly currentSize: number
  readonly configuration: JsonObject
  readonly isActive: boolean
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** A bare value: equality. Otherwise all that is given must hold; values of different JSON types are never in order. */
export type FilterTest =
  | string | number | boolean | null
  | {
      readonly eq?: unknown
      readonly ne?: unknown
      readonly in?: readonly (string | number | boolean | null)[]
      readonly gt?: string | number
      readonly gte?: string | number
      readonly lt?: string | number
      readonly lte?: string | number
      readonly prefix?: string
      readonly exists?: boolean
    }

/** Conditions by field, dots between the steps of a path: `{ payload: { 'order.total': { gte: 100 } }, headers: { region: 'eu' } }`. */
export interface MessageFilter {
  readonly headers?: Readonly<Record<string, FilterTest>>
  readonly payload?: Readonly<Record<string, FilterTest>>
}

export interface Subscribe {
  /** Id or key. */
  readonly agent: string
  /** Name of the channel. */
  readonly channel: string
  /** Subjects, of the pattern topic: `*` is one token, `>` at the end one or more. Without it, every message of the channel. */
  readonly pattern?: string
  readonly filter?: MessageFilter
}

export interface Subscription {
  readonly id: string
  readonly agentId: string
  readonly channel: string
  readonly pattern: string | null
  readonly filters: readonly JsonObject[]
  readonly isActive: boolean
  readonly createdAt: Date
}

export interface SendFields {
  /** Any JSON. Payload and headers together have up to 252 KiB. @default {} */
  readonly payload?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Id or key of the sender. @default the actor when it is an agent, else nobody */
  readonly from?: string
  /** @default 'notification' */
  readonly kind?: MessageKind
  /** A word of your own. @default the kind */
  readonly type?: string
  /** Tokens between dots; topics are matched on it. */
  readonly subject?: string
  /** 1 to 10, lower first. @default 5 */
  readonly priority?: number
  readonly correlationId?: string
  readonly parentId?: string
  /** Never delivered later than this after sending. */
  readonly ttlMs?: number
  /** Not delivered before this time has passed. */
  readonly delayMs?: number
  /** Deliveries after the first one. @default 3 */
  readonly maxRetries?: number
  /** Sending again with the same key stores nothing and gives the first message. DUPLICATE_KEY when the content differs. */
  readonly idempotencyKey?: string
}

/** Where it goes: exactly one of `to`, `toType`, `channel`, `queue` (`to` with a channel of the pattern direct is fine; a heartbeat needs none). */
export interface SendInput extends SendFields {
  /** Id or key of an agent. */
  readonly to?: string
  /** Every living agent of this type but the sender; `'*'` is every agent. */
  readonly toType?: string
  /** Name of a channel: by its pattern to all subscribers, to those of the topic, or to one consumer. */
  readonly channel?: string
  /** Name of a queue: to one of its consumers. */
  readonly queue?: string
}

export interface SendOptions {
  /** Sends within the caller's transaction, whose identity must be of the same tenant: delivered when, and only when, it commits. */
  readonly tx?: SqlSession
}

export interface Sent {
  readonly id: string
  readonly createdAt: Date
  /** How many inboxes it went to. */
  readonly recipients: number
  /** True when the idempotency key had been used before. */
  readonly duplicate: boolean
}

export interface AgentMessage {
  readonly id: string
  readonly kind: MessageKind
  readonly type: string
  readonly subject: string | null
  readonly payload: unknown
  readonly headers: Readonly<Record<string, string>>
  readonly priority: number
  readonly from: string | null
  readonly to: string | null
  readonly toType: string | null
  readonly channelId: string | null
  readonly queueId: string | null
  readonly correlationId: string | null
  readonly parentId: string | null
  readonly expiresAt: Date | null
  readonly createdAt: Date
}

/**
 * A message with what became of it. While a delivery is open: `delivered` when somebody has or had it, `sent` when it lies in an inbox,
 * `pending` when it waits for its time (a delay, a pause before the next try). When all have ended: `failed` if one was given up or refused,
 * else `processed` if one was acknowledged, else `expired`. Without recipients a message was `sent`.
 */
export interface MessageRecord extends AgentMessage {
  readonly status: MessageStatus
  /** Of the delivery that was tried most often: tries after the first. */
  readonly retryCount: number
  readonly sentAt: Date
  /** First handed out. */
  readonly deliveredAt: Date | null
  /** Last acknowledged, once nothing is open any more. */
  readonly processedAt: Date | null
  /** Of the delivery that failed last. */
  readonly error: string | null
}

/** One hand-out of a message. Without `ack` within the lease it is handed out again, also to others. */
export interface InboxMessage extends AgentMessage {
  readonly deliveryId: number
  /** With `deliveryId` the proof of the lease, for `settle`. */
  readonly leaseNo: number
  /** 1 for the first. */
  readonly attempt: number
  /** Done; resolves when it is stored. DELIVERY_LOST when the lease was over and another has it. */
  readonly ack: () => Promise<void>
  /** Hand it out again after `delayMs` (by default the backoff); on the last delivery it becomes a dead letter. */
  readonly nack: (options?: { readonly delayMs?: number; readonly error?: string }) => Promise<void>
  /** It can never succeed: a dead letter at once. */
  readonly fail: (error: string) => Promise<void>
  /** Answers the sender and acknowledges, both or neither. */
  readonly reply: (payload: unknown, options?: ReplyOptions) => Promise<Sent>
  /** Makes the lease end `leaseMs` from now. DELIVERY_LOST when it is over. */
  readonly extend: (leaseMs?: number) => Promise<void>
}

export interface ReplyOptions {
  /** @default 'response' */
  readonly kind?: 'response' | 'error'
  readonly headers?: Readonly<Record<string, string>>
}

export interface InboxOptions {
  /** Only messages of these channels (names); direct messages without a channel are left where they are. */
  readonly channels?: readonly string[]
  /** Queues to take from as well, besides those whose channel the agent is subscribed to. */
  readonly queues?: readonly string[]
  readonly filter?: MessageFilter
  /** Ends the iteration; what was not yet handed out goes back. */
  readonly signal?: AbortSignal
  /** Messages taken ahead at most. @default 16 */
  readonly prefetch?: number
  /** Time to acknowledge in. @default 60000 */
  readonly leaseMs?: number
}

export interface ReceiveOptions extends Omit<InboxOptions, 'prefetch'> {
  /** Messages at most, 1 to 1000. @default 16 */
  readonly limit?: number
  /** Waits for the first message as long. @default 0 */
  readonly waitMs?: number
}

/** What a consumer says of a delivery by its numbers, where the message itself is not at hand (another process, HTTP). */
export interface Settlement {
  readonly deliveryId: number
  readonly leaseNo: number
  readonly outcome: 'ack' | 'nack' | 'fail'
  /** Of `nack`. @default 1000 */
  readonly delayMs?: number
  readonly error?: string
}

export interface RequestInput extends Omit<SendInput, 'correlationId'> {
  /** To collect the reply later, also in another process. @default a new UUID */
  readonly correlationId?: string
}

export interface RequestOptions {
  /** @default 30000 */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface DeliveryRecord {
  readonly deliveryId: number
  readonly agentId: string | null
  readonly queueId: string | null
  readonly status: DeliveryStatus
  readonly attempts: number
  readonly consumer: string | null
  readonly deliveredAt: Date | null
  readonly finishedAt: Date | null
  readonly error: string | null
}

export interface MessageWithDeliveries extends MessageRecord {
  readonly deliveries: DeliveryRecord[]
}

export interface MessageListOptions extends PageOptions {
  /** Name of a channel. */
  readonly channel?: string
  /** Messages in either direction between these two agents. */
  readonly between?: readonly [string, string]
  readonly from?: string
  readonly to?: string
  readonly correlationId?: string
  readonly kind?: MessageKind
}

export interface ChannelStats {
  readonly messages: number
  readonly subscribers: number
  /** Deliveries by status. */
  readonly deliveries: Readonly<Record<DeliveryStatus, number>>
  readonly oldestPendingMs: number | null
  /** Mean time from sending to the last hand-out of what is done, in ms. */
  readonly deliveryMs: number | null
}

export interface AgentDeadLetter {
  readonly id: string
  readonly messageId: string
  readonly agentId: string | null
  readonly queueId: string | null
  readonly channelId: string | null
  readonly from: string | null
  readonly kind: MessageKind
  readonly subject: string | null
  readonly payload: unknown
  readonly reason: string
  readonly attempts: number
  readonly createdAt: Date
  readonly resolvedAt: Date | null
}

export interface MaintenanceResult {
  readonly expired: number
  readonly dead: number
  readonly keysForgotten: number
}
