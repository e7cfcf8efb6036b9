import { CairnError } from '../../errors/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { check, wholeMs } from '../../checks/index.ts'
import { ACKNOWLEDGE, EXTEND, FINISH, RETRY_LATER } from './inbox-queries.ts'
import { nackInput, replyInput } from './input.ts'
import type { MessageRoom } from './room.ts'
import { draft, sendAll } from './send.ts'
import type { AgentMessage, InboxMessage, ReplyOptions, Sent } from './types.ts'

const MAX_BACKOFF_MS = 300_000

/** A row of a claim. */
export interface ClaimedRow extends AgentMessage {
  readonly deliveryId: number
  readonly leaseNo: number
  readonly attempt: number
  readonly maxRetries: number
  readonly backoffMs: number
  readonly spent: boolean
  readonly expired: boolean
  readonly expiresInMs: number | null
  readonly replyTo: string | null
}

export interface Holder {
  readonly room: MessageRoom
  readonly context: DomainContext
  /** Who took it. */
  readonly agentId: string
  readonly leaseMs: number
}

/** A message in the hands of a consumer: the lease number fences everything it says about it. */
export function heldMessage(holder: Holder, row: ClaimedRow): InboxMessage {
  const { room, agentId } = holder
  const { deliveryId, leaseNo, spent: _, expired: __, expiresInMs: ___, maxRetries, backoffMs, replyTo, ...message } = row
  const key = [room.tenant, deliveryId, leaseNo]
  let settled: { how: string; done: Promise<unknown> } | undefined

  /** The first word counts; the same word again gives the same answer. */
  async function settle<T>(how: string, run: () => Promise<T>): Promise<T> {
    if (settled !== undefined && settled.how !== how) {
      throw new CairnError('INVALID_TRANSITION', `Message ${row.id} was settled already: ${settled.how}. Say only one thing of each delivery.`, { details: { messageId: row.id, settled: settled.how } })
    }
    const done = (settled?.done as Promise<T> | undefined) ?? run()
    settled = { how, done }
    // A word that was not heard may be said again.
    done.catch(() => {
      settled = undefined
    })
    return done
  }
  function lost(): CairnError {
    return new CairnError('DELIVERY_LOST', `The lease of message ${row.id} was over (delivery ${row.attempt}), and it is handed out again. What this consumer says about it is refused.`, {
      details: { messageId: row.id, deliveryId, attempt: row.attempt },
    })
  }
  async function finish(status: 'failed' | 'dead' | 'expired', error: string | undefined): Promise<void> {
    const { rows } = await room.sql.query(room.identity, FINISH, [room.tenant, [deliveryId], [leaseNo], [status], [error ?? null]], { name: 'messages_finish' })
    if (rows.length === 0) throw lost()
  }

  return {
    ...message,
    deliveryId,
    leaseNo,
    ack: () =>
      settle('ack', async () => {
        if (!(await room.acks.ack(deliveryId, leaseNo))) throw lost()
      }),
    nack: (options = {}) =>
      settle('nack', async () => {
        const { delayMs = backoff(backoffMs, row.attempt), error } = check(nackInput, options, 'options')
        if (row.attempt > maxRetries) return finish('dead', error)
        const { rowCount } = await room.sql.query(room.identity, RETRY_LATER, [...key, delayMs, error ?? null], { name: 'messages_retry' })
        if (rowCount === 0) throw lost()
        if (delayMs === 0) room.waiters.stored(message.queueId === null ? [agentId] : [message.queueId], false)
      }),
    fail: (error) => settle('fail', () => finish('failed', check(nackInput.shape.error, error, 'error'))),
    reply: (payload: unknown, options: ReplyOptions = {}) => settle('reply', () => reply(holder, row, payload, options, lost)),
    extend: async (leaseMs = holder.leaseMs) => {
      check(wholeMs(100, 86_400_000), leaseMs, 'leaseMs')
      const { rowCount } = await room.sql.query(room.identity, EXTEND, [...key, leaseMs], { name: 'messages_extend' })
      if (rowCount === 0) throw lost()
    },
  }
}

/** The answer and the acknowledgement in one transaction. */
async function reply({ room, context, agentId }: Holder, row: ClaimedRow, payload: unknown, options: ReplyOptions, lost: () => CairnError): Promise<Sent> {
  const { kind, headers } = check(replyInput, options, 'options')
  if (row.from === null) {
    throw new CairnError('INVALID_ARGUMENT', `Message ${row.id} has no sender, so there is nobody to answer. Acknowledge it instead.`, { details: { messageId: row.id } })
  }
  const toSelf = row.from === agentId
  const awaited = row.replyTo === 'request' ? ('request' as const) : undefined
  const answer = await draft(
    room,
    toSelf ? { ...context, identity: room.identity } : context,
    {
      kind,
      to: row.from,
      payload,
      correlationId: row.correlationId ?? row.id,
      parentId: row.id,
      ...(toSelf ? {} : { from: agentId }),
      ...(row.subject === null ? {} : { subject: row.subject }),
      ...(headers === undefined ? {} : { headers }),
    },
    { field: 'reply.', replyTo: awaited },
  )
  const sent = await room.sql.transaction(
    room.identity,
    async (tx) => {
      const { rows } = await tx.query(ACKNOWLEDGE, [room.tenant, [row.deliveryId], [row.leaseNo]], { name: 'messages_ack' })
      if (rows.length === 0) throw lost()
      return sendAll(room, [answer], { tx })
    },
    { attempts: 5 },
  )
  room.waiters.stored(awaited === undefined ? [row.from] : [], awaited !== undefined)
  return sent[0] as Sent
}

/** Doubled each time, with up to a fifth more or less, so that what failed together does not come back together. */
export function backoff(baseMs: number, attempt: number): number {
  return Math.round(Math.min(MAX_BACKOFF_MS, baseMs * 2 ** (attempt - 1)) * (0.8 + 0.4 * Math.random()))
}
