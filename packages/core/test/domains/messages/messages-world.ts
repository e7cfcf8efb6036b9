import { expect } from 'vitest'
import { type Cairn, type CairnOptions, type ErrorCode, type InboxMessage, type InboxOptions, isCairnError } from '../../../src/index.ts'
import { uniqueName } from '../../harness/engines.ts'

/** A tenant of its own with agents of these names (which are their keys). */
export async function world<Name extends string>(cairn: Cairn, ...names: Name[]): Promise<{ cairn: Cairn; ids: Record<Name, string> }> {
  const own = cairn.as({ tenant: uniqueName('t') })
  const ids = {} as Record<Name, string>
  for (const name of names) ids[name] = (await own.agents.register({ name, type: 'operator' })).id
  return { cairn: own, ids }
}

/** The first `count` messages of an inbox, each given to `handle` (by default acknowledged). Fails after `timeoutMs`. */
export async function take(cairn: Cairn, agent: string, count: number, options: InboxOptions = {}, handle: (message: InboxMessage) => Promise<unknown> = (message) => message.ack(), timeoutMs = 20_000): Promise<InboxMessage[]> {
  const found: InboxMessage[] = []
  if (count === 0) return found
  const signal = AbortSignal.timeout(timeoutMs)
  for await (const message of cairn.messages.inbox(agent, { ...options, signal })) {
    await handle(message)
    found.push(message)
    if (found.length === count) return found
  }
  throw new Error(`waited ${timeoutMs} ms for ${count} messages of ${agent}, got ${found.length}`)
}

/** What an inbox gives before a marker that is sent to it now, with the lowest priority. */
export async function drain(cairn: Cairn, agent: string, options: InboxOptions = {}): Promise<InboxMessage[]> {
  const { id } = await cairn.messages.send({ to: agent, priority: 10, headers: { marker: 'yes' }, type: 'marker' })
  const found: InboxMessage[] = []
  for await (const message of cairn.messages.inbox(agent, { ...options, signal: AbortSignal.timeout(20_000) })) {
    await message.ack()
    if (message.id === id) return found
    found.push(message)
  }
  throw new Error(`the marker did not come to ${agent}`)
}

/** The rejection of this code; fails for any other outcome. */
export async function refusal(promise: Promise<unknown>, code: ErrorCode) {
  const outcome = await promise.then(
    (value) => expect.fail(`expected ${code}, but it resolved with ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  )
  if (!isCairnError(outcome, code)) throw new Error(`expected ${code}, got ${String(outcome)}`, { cause: outcome })
  return outcome
}

export type { CairnOptions }
