import type { DomainContext } from '../domain-context.ts'
import { retryDelay } from './backoff.ts'
import type { CheckedEnd } from './pull-input.ts'
import { ENDED_AS, HELD } from './pull-queries.ts'
import type { PullEnded } from './pull-types.ts'
import type { TaskRoom } from './task-room.ts'
import type { Backoff } from './types.ts'
import { FINISH, HAND_BACK, RETRY } from './worker-queries.ts'

interface Held {
  readonly id: string
  readonly lease: string
  readonly retryCount: number
  readonly maxRetries: number
  readonly configuration: { readonly backoff?: Backoff }
  readonly cancelled: boolean
  readonly ageMs: number
}

const placeOf = ({ id, lease }: { readonly id: string; readonly lease: string }): string => `${id} ${lease}`

/** Stores how tasks of a worker that pulls ended: each end counts once, and only under the lease that its task has at that moment. */
export class PullEnds {
  readonly #context: DomainContext
  readonly #room: () => TaskRoom

  constructor(context: DomainContext, room: () => TaskRoom) {
    this.#context = context
    this.#room = room
  }

  /** `reason`: why those failed that did. */
  async store(worker: string, ends: readonly CheckedEnd[], reason: string): Promise<PullEnded> {
    const rows = await this.#query<Held>(HELD, [worker, ends.map(({ id }) => id), ends.map(({ lease }) => lease)])
    const states = new Map(rows.map((state) => [placeOf(state), state]))
    const accepted = new Set<string>()
    const note = (ended: readonly { id: string }[]): void => ended.forEach(({ id }) => accepted.add(id))
    const held = ends.filter((end) => states.has(placeOf(end)))
    const again = (end: CheckedEnd): boolean => {
      const { retryCount, maxRetries, cancelled } = states.get(placeOf(end)) as Held
      return end.status === 'failed' && end.retry && retryCount < maxRetries && !cancelled
    }
    const back = held.filter((end) => end.status === 'released' && states.get(placeOf(end))?.cancelled === false)
    const retries = held.filter(again)
    if (back.length > 0) note(await this.#query(HAND_BACK, [back.map(({ id }) => id), back.map(({ lease }) => lease)]))
    // Also what was cancelled since it was read, and so is not handed back.
    const finals = held.filter((end) => !again(end) && (!back.includes(end) || !accepted.has(end.id)))
    if (retries.length > 0) note(await this.#retry(retries, states, reason))
    if (finals.length > 0) note(await this.#finish(finals, states, reason))
    const { upkeep, wakeUps, limits } = this.#room()
    if (limits.limited) wakeUps.wakeHere()
    if (finals.length > 0) await upkeep.release()
    if (back.length > 0) wakeUps.wake()
    const missing = ends.filter(({ id }) => !accepted.has(id))
    // A call whose answer was lost. What ended otherwise, by taking too long, is refused.
    const before = missing.length === 0 ? [] : await this.#query<{ id: string; status: string }>(ENDED_AS, [worker, missing.map(({ id }) => id)])
    note(before.filter(({ id, status }) => status === 'cancelled' || missing.some((end) => end.id === id && end.status === status)))
    return { accepted: ends.filter(({ id }) => accepted.has(id)).map(({ id }) => id), refused: ends.filter(({ id }) => !accepted.has(id)).map(({ id }) => id) }
  }

  async #retry(ends: readonly CheckedEnd[], states: ReadonlyMap<string, Held>, reason: string): Promise<{ id: string }[]> {
    const ages = ends.map((end) => Math.round(states.get(placeOf(end))?.ageMs ?? 0))
    const delays = ends.map((end) => {
      const { retryCount, configuration } = states.get(placeOf(end)) as Held
      return retryDelay(retryCount + 1, configuration.backoff)
    })
    const values = [ends.map(({ id }) => id), ends.map(({ lease }) => lease), delays, ends.map(({ error }) => error), ends.map(({ details }) => details), ends.map(() => reason), ages, ages]
    const rows = await this.#query<{ id: string }>(RETRY.text, values, RETRY.name)
    this.#room().upkeep.dueIn(Math.min(...delays))
    return rows
  }

  #finish(ends: readonly CheckedEnd[], states: ReadonlyMap<string, Held>, reason: string): Promise<{ id: string }[]> {
    const ages = ends.map((end) => Math.round(states.get(placeOf(end))?.ageMs ?? 0))
    const failed = <T>(pick: (end: CheckedEnd) => T): (T | null)[] => ends.map((end) => (end.status === 'failed' ? pick(end) : null))
    return this.#query(
      FINISH.text,
      [
        ends.map(({ id }) => id), ends.map(({ lease }) => lease), ends.map(({ status }) => (status === 'released' ? 'cancelled' : status)), ends.map(({ result }) => result),
        failed(({ error }) => error), failed(({ details }) => details), failed(() => reason), ages, ages, ends.map(({ usage }) => usage),
      ],
      FINISH.name,
    )
  }

  async #query<Row>(text: string, values: readonly unknown[], name?: string): Promise<Row[]> {
    const { identity, sql } = this.#context
    return (await sql.query<Row>(identity, text, [identity.tenant, ...values], name === undefined ? {} : { name })).rows
  }
}
