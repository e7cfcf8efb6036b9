import { setTimeout as sleep } from 'node:timers/promises'
import { CairnError, isCairnError } from '../../errors/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { channelIds, queueIds } from './channel-ids.ts'
import { check } from '../../checks/index.ts'
import { filterConditions } from './filter.ts'
import { type ClaimedRow, type Holder, heldMessage } from './held-message.ts'
import { CLAIM, CLAIM_SOME, EXTEND, FINISH, GIVE_BACK, QUEUES_OF_AGENT } from './inbox-queries.ts'
import { inboxInput, nameText, waitInput } from './input.ts'
import { claimToken } from './lost-claims.ts'
import type { MessageRoom } from './room.ts'
import type { InboxMessage, InboxOptions, MessageFilter, ReceiveOptions } from './types.ts'

/** How often the queues that an agent is subscribed to are read again. */
const QUEUES_EVERY_MS = 2_000
const RETRY_MS = [20, 100, 500, 1_000] as const

interface Wanted extends Holder {
  readonly prefetch: number
  readonly signal: AbortSignal
  readonly channels: string[] | null
  readonly queues: string[]
  readonly filters: string | null
}

/**
 * Hands out the agent's messages until the signal is aborted or the loop is left. It goes on over errors that pass (the
 * database is restarted). Several consumers of one agent or queue, in any processes, share its messages.
 */
export async function* readInbox(room: MessageRoom, context: DomainContext, agent: string, options: InboxOptions): AsyncGenerator<InboxMessage, void, undefined> {
  const wanted = await resolve(room, context, agent, options)
  let end = (): void => undefined
  const ended = new Promise<void>((done) => (end = done))
  room.inboxes.add(ended)
  const buffer: { row: ClaimedRow; claimedAt: number }[] = []
  try {
    let inboxIds: string[] = []
    let idsAt = -Infinity
    while (!wanted.signal.aborted) {
      if (performance.now() - idsAt > QUEUES_EVERY_MS) {
        inboxIds = await persistently(room, wanted.signal, () => inboxesOf(wanted))
        idsAt = performance.now()
      }
      const wakeUp = new AbortController()
      const forget = room.waiters.onInbox(inboxIds, () => wakeUp.abort())
      try {
        const { rows, claimedAt } = await persistently(room, wanted.signal, async () => {
          await room.lostClaims.giveBack()
          const claimedAt = performance.now()
          return { claimedAt, rows: await claim(wanted, inboxIds) }
        })
        buffer.push(...rows.map((row) => ({ row, claimedAt })))
        if (rows.length === 0) await sleep(QUEUES_EVERY_MS, undefined, { signal: AbortSignal.any([wakeUp.signal, wanted.signal]) }).catch(() => undefined)
      } finally {
        forget()
      }
      for (let next = buffer.shift(); next !== undefined; next = buffer.shift()) {
        if (wanted.signal.aborted) buffer.unshift(next)
        if (wanted.signal.aborted) break
        if (await stillGood(wanted, next)) yield heldMessage(wanted, next.row)
      }
    }
  } catch (error) {
    // Ended while the database could not be reached.
    if (!wanted.signal.aborted || !isCairnError(error, 'CLOSED')) throw error
  } finally {
    await giveBack(room, buffer.map(({ row }) => row))
    end()
    room.inboxes.delete(ended)
  }
}

/** Takes what there is, up to `limit`, waiting for the first; see MessagesService.receive. */
export async function receive(room: MessageRoom, context: DomainContext, agent: string, { limit = 16, waitMs, ...options }: ReceiveOptions): Promise<InboxMessage[]> {
  const end = performance.now() + check(waitInput, waitMs, 'waitMs')
  const wanted = await resolve(room, context, agent, { ...options, prefetch: limit })
  const inboxIds = await inboxesOf(wanted)
  for (;;) {
    const wakeUp = new AbortController()
    const forget = room.waiters.onInbox(inboxIds, () => wakeUp.abort())
    try {
      const rows = await claim(wanted, inboxIds)
      if (wanted.signal.aborted) {
        // Whoever asked is gone: kept, they would lie until their lease is over.
        await giveBack(room, rows)
        return []
      }
      const left = end - performance.now()
      if (rows.length > 0 || left <= 0) return rows.map((row) => heldMessage(wanted, row))
      await sleep(left, undefined, { signal: AbortSignal.any([wakeUp.signal, wanted.signal]) }).catch(() => undefined)
    } finally {
      forget()
    }
  }
}

async function resolve(room: MessageRoom, context: DomainContext, agent: string, options: InboxOptions): Promise<Wanted> {
  room.assertOpen()
  const given = check(inboxInput, options, 'options')
  const conditions = filterConditions(given.filter as MessageFilter | undefined)
  const agentId = await room.agentId(check(nameText, agent, 'agent'))
  return {
    room,
    context,
    agentId,
    leaseMs: given.leaseMs,
    prefetch: given.prefetch,
    signal: given.signal === undefined ? room.closing.signal : AbortSignal.any([given.signal, room.closing.signal]),
    channels: given.channels === undefined ? null : await channelIds(room, given.channels),
    queues: given.queues === undefined ? [] : await queueIds(room, given.queues),
    filters: conditions.length === 0 ? null : JSON.stringify(conditions),
  }
}

async function inboxesOf({ room, agentId, queues }: Wanted): Promise<string[]> {
  const { rows } = await room.sql.query<{ id: string }>(room.identity, QUEUES_OF_AGENT, [room.tenant, agentId], { name: 'messages_queues_of' })
  return [...new Set([agentId, ...queues, ...rows.map(({ id }) => id)])]
}

/** What was taken and can be handed out; what is expired or spent is ended here. */
async function claim(wanted: Wanted, inboxIds: readonly string[]): Promise<ClaimedRow[]> {
  const { room } = wanted
  const token = claimToken()
  const rows = await take(wanted, inboxIds, token).catch((error: unknown) => {
    if (isCairnError(error) && error.retryable) room.lostClaims.add(token, inboxIds)
    throw error
  })
  const over = rows.filter((row) => row.expired || row.spent)
  await finishOver(room, over)
  // All of it may be over, with more behind it.
  if (over.length > 0 && over.length === rows.length) room.waiters.lookNow()
  return rows.filter((row) => !row.expired && !row.spent)
}

async function take({ room, agentId, prefetch, leaseMs, channels, filters }: Wanted, inboxIds: readonly string[], token: string): Promise<ClaimedRow[]> {
  const common = [room.tenant, inboxIds, prefetch, leaseMs, agentId, token]
  const some = channels !== null || filters !== null
  const { rows } = some
    ? await room.sql.query<ClaimedRow>(room.identity, CLAIM_SOME, [...common, channels, filters], { name: 'messages_claim_some' })
    : await room.sql.query<ClaimedRow>(room.identity, CLAIM, common, { name: 'messages_claim' })
  return rows
}

async function finishOver(room: MessageRoom, rows: readonly ClaimedRow[]): Promise<void> {
  if (rows.length === 0) return
  const statuses = rows.map(({ expired }) => (expired ? 'expired' : 'dead'))
  try {
    await room.sql.query(room.identity, FINISH, [room.tenant, rows.map((row) => row.deliveryId), rows.map((row) => row.leaseNo), statuses, rows.map(() => null)], { name: 'messages_finish' })
  } catch (error) {
    // Somebody ends them when their lease is over; what was taken with them is handed out now.
    room.log.debug({ err: error }, 'messages that are over could not be ended')
  }
}

/** A message that waited in the buffer may have expired, or its lease may be nearly over. */
async function stillGood({ room, leaseMs }: Wanted, { row, claimedAt }: { row: ClaimedRow; claimedAt: number }): Promise<boolean> {
  const waited = performance.now() - claimedAt
  try {
    if (row.expiresInMs !== null && waited >= row.expiresInMs) {
      await finishOver(room, [{ ...row, expired: true }])
      return false
    }
    if (waited < leaseMs / 2) return true
    return (await room.sql.query(room.identity, EXTEND, [room.tenant, row.deliveryId, row.leaseNo, leaseMs], { name: 'messages_extend' })).rowCount > 0
  } catch (error) {
    // Its lease runs out, and it is handed out again.
    room.log.debug({ err: error }, 'a message taken ahead was left to its lease')
    return false
  }
}

async function giveBack(room: MessageRoom, rows: readonly ClaimedRow[]): Promise<void> {
  if (rows.length === 0) return
  try {
    const back = await room.sql.query<{ inboxId: string }>(room.identity, GIVE_BACK, [room.tenant, rows.map((row) => row.deliveryId), rows.map((row) => row.leaseNo)])
    room.waiters.stored([...new Set(back.rows.map(({ inboxId }) => inboxId))], false)
  } catch (error) {
    room.log.debug({ err: error }, 'messages taken ahead were left to their lease')
  }
}

/** Tries again while the error is one that passes. */
async function persistently<T>(room: MessageRoom, signal: AbortSignal, run: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await run()
    } catch (error) {
      if (!isCairnError(error) || !error.retryable) throw error
      room.log.warn({ err: error }, 'the inbox could not be read and is tried again')
      await sleep(RETRY_MS[Math.min(tries, RETRY_MS.length - 1)], undefined, { signal }).catch(() => undefined)
      if (signal.aborted) throw new CairnError('CLOSED', 'The inbox was ended while the database could not be reached.', { cause: error })
    }
  }
}
