import { check, jsonObject, jsonText, uuidText } from '../../checks/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { uuidv7 } from '../../ids/index.ts'
import { resolveAgentId } from '../agents/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { retryDelay } from './backoff.ts'
import { type CheckedEnd, checkClaim, checkEnds } from './pull-input.ts'
import { DROP_EMPTY_CLAIMS, ENDED_AS, HELD, HELD_BY, LEASE_OF } from './pull-queries.ts'
import type { PullClaim, PullEnd, PullEnded, PullNews, PulledTask, PulledTasks } from './pull-types.ts'
import { type ClaimedTask, DEFAULT_TIMEOUT_MS, PRIORITY_OF_SCORE } from './running-task.ts'
import type { TaskRoom } from './task-room.ts'
import type { Backoff } from './types.ts'
import { CLAIM, FINISH, HAND_BACK, HEARTBEAT, INPUTS_OF, REGISTER_WORKER, REMOVE_WORKER, RETRY, SET_PROGRESS } from './worker-queries.ts'

/** A wake-up may be lost. */
const LOOK_EVERY_MS = 2000

interface Held {
  readonly id: string
  readonly retryCount: number
  readonly maxRetries: number
  readonly configuration: { readonly backoff?: Backoff }
  readonly cancelled: boolean
  readonly ageMs: number
}

/**
 * Workers that pull: they claim tasks, keep their lease by heartbeats, and say how each ended, in calls that any process may take. What makes
 * a handler of `work` safe holds for them, too: an end counts once, and only from who holds the task. Between calls nothing is kept here.
 */
export class PullWorkers {
  readonly #context: DomainContext
  readonly #room: () => TaskRoom

  constructor(context: DomainContext, room: () => TaskRoom) {
    this.#context = context
    this.#room = room
  }

  /**
   * Takes up to `most` tasks, waiting up to `waitMs` for the first. Keeps the worker alive as a heartbeat does. LEASE_LOST when the worker was silent for
   * longer than its lease: claim without `worker` then. AGENT_NOT_FOUND, INVALID_ARGUMENT.
   */
  async claim(given: PullClaim): Promise<PulledTasks> {
    const { types, most, leaseMs, agent, waitMs, worker: known, signal } = checkClaim(given)
    const agentId = agent === undefined ? null : await resolveAgentId(this.#context, agent, 'agent')
    const { wakeUps } = this.#room()
    if (waitMs > 0) await wakeUps.listen()
    const end = performance.now() + waitMs
    const lease = known === undefined ? await this.#register(types, agentId, leaseMs) : await this.#leaseOf(known)
    const news: { cancel: string[]; lost: string[] } = { cancel: [], lost: [] }
    for (let beatAt = performance.now() + lease.leaseMs / 3, first = known !== undefined; ; first = false) {
      if (first || performance.now() >= beatAt) {
        const { cancel, lost } = await this.heartbeat(lease.worker)
        news.cancel.push(...cancel)
        news.lost.push(...lost)
        beatAt = performance.now() + lease.leaseMs / 3
      }
      const seen = wakeUps.version
      const tasks = await this.#take(types, most, lease.worker, agentId)
      const left = end - performance.now()
      if (signal?.aborted === true) {
        // Whoever asked is gone: kept, they would be held for as long as the worker lives.
        if (tasks.length > 0) await this.#end(lease.worker, checkEnds(tasks.map(({ id, lease: held }) => ({ task: id, lease: held, status: 'released' }))), 'released')
        return { ...lease, tasks: [], ...news }
      }
      if (tasks.length > 0 || left <= 0) return { ...lease, tasks, ...news }
      await wakeUps.wait(seen, Math.min(left, LOOK_EVERY_MS, lease.leaseMs / 3), signal ?? NEVER)
    }
  }

  /** Says that the worker lives, at least three times in its lease. LEASE_LOST when its tasks are others' by now. */
  async heartbeat(worker: string): Promise<PullNews> {
    const id = check(uuidText, worker, 'worker')
    const [beat] = await this.#query<{ cancels: string[] }>(HEARTBEAT.text, [id, 0], HEARTBEAT.name)
    if (beat === undefined) throw leaseLost(id)
    const overdue = (await this.#query<{ id: string; lease: string; overdue: boolean }>(HELD_BY, [id])).filter((held) => held.overdue)
    const late: PullEnd[] = overdue.map(({ id: task, lease }) => ({ task, lease, status: 'failed', error: 'It took longer than it may.' }))
    const accepted = late.length === 0 ? [] : (await this.#end(id, checkEnds(late), 'timeout')).accepted
    await this.#query(DROP_EMPTY_CLAIMS, [id])
    return { cancel: beat.cancels.filter((task) => !accepted.includes(task)), lost: accepted }
  }

  /**
   * Stores how tasks ended; safe to repeat when the answer was lost, but for a failure that is tried again: the task is another's then, and refused.
   * INVALID_ARGUMENT, SERIALIZATION_ERROR and PAYLOAD_TOO_LARGE with `details.field`; nothing is stored then.
   */
  async end(worker: string, ends: readonly PullEnd[]): Promise<PullEnded> {
    return this.#end(check(uuidText, worker, 'worker'), checkEnds(ends), 'error')
  }

  /** Stores how far a task is. LEASE_LOST when the worker does not hold it. */
  async progress(worker: string, { task, lease, progress }: { readonly task: string; readonly lease: string; readonly progress: Record<string, unknown> }): Promise<void> {
    const id = check(uuidText, worker, 'worker')
    const rows = await this.#query(SET_PROGRESS.text, [check(uuidText, task, 'task'), check(uuidText, lease, 'lease'), jsonText('progress', check(jsonObject, progress, 'progress'))], SET_PROGRESS.name)
    if (rows.length === 0) throw leaseLost(id, task)
  }

  /** The worker goes: what it holds is handed back, without costing a retry. `deleted` is false when there is no such worker (any more). */
  async leave(worker: string): Promise<{ readonly deleted: boolean; readonly handedBack: number }> {
    const id = check(uuidText, worker, 'worker')
    const held = await this.#query<{ id: string; lease: string }>(HELD_BY, [id])
    const ends = checkEnds(held.map(({ id: task, lease }) => ({ task, lease, status: 'released' })))
    const accepted = ends.length === 0 ? [] : (await this.#end(id, ends, 'released')).accepted
    const { identity, sql } = this.#context
    const { rowCount } = await sql.query(identity, REMOVE_WORKER, [identity.tenant, id, held.map(({ lease }) => lease)])
    return { deleted: rowCount > 0, handedBack: accepted.length }
  }

  async #register(types: readonly string[], agentId: string | null, leaseMs: number): Promise<{ worker: string; leaseMs: number }> {
    const worker = uuidv7()
    await this.#query(REGISTER_WORKER, [worker, types, agentId, leaseMs, JSON.stringify({ pulls: true })])
    return { worker, leaseMs }
  }

  async #leaseOf(worker: string): Promise<{ worker: string; leaseMs: number }> {
    const [row] = await this.#query<{ leaseMs: number }>(LEASE_OF, [worker])
    if (row === undefined) throw leaseLost(worker)
    return { worker, leaseMs: row.leaseMs }
  }

  async #take(types: readonly string[], most: number, worker: string, agentId: string | null): Promise<PulledTask[]> {
    const lost = this.#room().pulling()
    await lost.handBack()
    const lease = uuidv7()
    try {
      const rows = await this.#query<ClaimedTask>(CLAIM.text, [types, types.map(() => most), most, worker, lease, agentId, null, null], CLAIM.name)
      rows.sort((a, b) => b.score - a.score || (a.queued < b.queued ? -1 : a.queued > b.queued ? 1 : a.id < b.id ? -1 : 1))
      const wanted = rows.filter(({ relations }) => (relations & 4) !== 0).map(({ id }) => id)
      const inputs = wanted.length === 0 ? [] : await this.#query<{ id: string; name: string; result: unknown }>(INPUTS_OF, [wanted])
      if (rows.some(({ relations }) => (relations & 2) !== 0)) await this.#room().upkeep.release()
      return rows.map((row) => pulled(row, lease, Object.fromEntries(inputs.filter(({ id }) => id === row.id).map(({ name, result }) => [name, result]))))
    } catch (error) {
      if (isCairnError(error) && error.details['constraint'] === 'worker_alive') throw leaseLost(worker)
      // Whoever asked will not learn what was claimed for it.
      lost.add(lease, worker)
      throw error
    }
  }

  async #end(worker: string, ends: readonly CheckedEnd[], reason: string): Promise<PullEnded> {
    const states = new Map((await this.#query<Held>(HELD, [worker, ends.map(({ id }) => id), ends.map(({ lease }) => lease)])).map((state) => [state.id, state]))
    const accepted = new Set<string>()
    const note = (rows: readonly { id: string }[]): void => rows.forEach(({ id }) => accepted.add(id))
    const held = ends.filter(({ id }) => states.has(id))
    const again = (end: CheckedEnd): boolean => {
      const { retryCount, maxRetries, cancelled } = states.get(end.id) as Held
      return end.status === 'failed' && end.retry && retryCount < maxRetries && !cancelled
    }
    const back = held.filter((end) => end.status === 'released' && states.get(end.id)?.cancelled === false)
    const retries = held.filter(again)
    const finals = held.filter((end) => !back.includes(end) && !again(end))
    if (back.length > 0) note(await this.#query(HAND_BACK, [back.map(({ id }) => id), back.map(({ lease }) => lease)]))
    if (retries.length > 0) note(await this.#retry(retries, states, reason))
    if (finals.length > 0) note(await this.#finish(finals, states, reason))
    const { upkeep, wakeUps } = this.#room()
    if (finals.length > 0) await upkeep.release()
    if (back.length > 0) wakeUps.wake()
    const missing = ends.filter(({ id }) => !accepted.has(id))
    // A call whose answer was lost. What ended otherwise, by taking too long, is refused.
    const before = missing.length === 0 ? [] : await this.#query<{ id: string; status: string }>(ENDED_AS, [worker, missing.map(({ id }) => id)])
    note(before.filter(({ id, status }) => status === 'cancelled' || missing.some((end) => end.id === id && end.status === status)))
    return { accepted: ends.filter(({ id }) => accepted.has(id)).map(({ id }) => id), refused: ends.filter(({ id }) => !accepted.has(id)).map(({ id }) => id) }
  }

  async #retry(ends: readonly CheckedEnd[], states: ReadonlyMap<string, Held>, reason: string): Promise<{ id: string }[]> {
    const ages = ends.map(({ id }) => Math.round(states.get(id)?.ageMs ?? 0))
    const delays = ends.map(({ id }) => {
      const { retryCount, configuration } = states.get(id) as Held
      return retryDelay(retryCount + 1, configuration.backoff)
    })
    const values = [ends.map(({ id }) => id), ends.map(({ lease }) => lease), delays, ends.map(({ error }) => error), ends.map(({ details }) => details), ends.map(() => reason), ages, ages]
    const rows = await this.#query<{ id: string }>(RETRY.text, values, RETRY.name)
    this.#room().upkeep.dueIn(Math.min(...delays))
    return rows
  }

  #finish(ends: readonly CheckedEnd[], states: ReadonlyMap<string, Held>, reason: string): Promise<{ id: string }[]> {
    const ages = ends.map(({ id }) => Math.round(states.get(id)?.ageMs ?? 0))
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

const NEVER = new AbortController().signal

function pulled(row: ClaimedTask, lease: string, inputs: Readonly<Record<string, unknown>>): PulledTask {
  const { id, type, payload, score, attempts, retry_count: retryCount, max_retries: maxRetries, timeout_ms: timeoutMs, extra } = row
  return {
    id, lease, type, name: extra?.name ?? null, key: extra?.key ?? null, payload, metadata: extra?.metadata ?? {}, priority: PRIORITY_OF_SCORE[score] ?? 'normal',
    agentId: extra?.agentId ?? null, parentId: extra?.parentId ?? null, attempt: attempts, retryCount, maxRetries, timeoutMs: timeoutMs ?? DEFAULT_TIMEOUT_MS, inputs,
  }
}

function leaseLost(worker: string, task?: string): CairnError {
  const message = task === undefined
    ? `Worker ${worker} was silent for longer than its lease, or never was: what it held is others' by now. Claim without a worker to go on.`
    : `Worker ${worker} does not hold task ${task} under this lease.`
  return new CairnError('LEASE_LOST', message, { details: task === undefined ? { worker } : { worker, taskId: task } })
}
