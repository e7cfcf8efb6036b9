import { check, jsonObject, jsonText, uuidText } from '../../checks/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { uuidv7 } from '../../ids/index.ts'
import { resolveAgentId } from '../agents/index.ts'
import type { DomainContext } from '../domain-context.ts'
import type { Ageing } from './ageing.ts'
import { ClaimBounds } from './claim-bounds.ts'
import { PullEnds } from './pull-ends.ts'
import { checkBeat, checkClaim, checkEnds, overdue, released } from './pull-input.ts'
import { DROP_EMPTY_CLAIMS, HAND_OVER, HELD, HELD_BY, LEASE_OF, NEWS_OF } from './pull-queries.ts'
import type { PullBeat, PullClaim, PullEnd, PullEnded, PullHeld, PullNews, PulledTask, PulledTasks } from './pull-types.ts'
import { type ClaimedTask, DEFAULT_TIMEOUT_MS, PRIORITY_OF_SCORE, byPriority } from './running-task.ts'
import type { TaskRoom } from './task-room.ts'
import { CLAIM, HEARTBEAT, INPUTS_OF, REGISTER_WORKER, REMOVE_WORKER, SET_PROGRESS } from './worker-queries.ts'

/** A wake-up may be lost. */
const LOOK_EVERY_MS = 2000

type Known = readonly Pick<PullHeld, 'task' | 'lease'>[]

interface News {
  readonly count: number
  readonly first: readonly PullHeld[]
  readonly overdue: Known
  readonly cancelled: readonly string[]
}

/**
 * Workers that pull: they claim tasks, keep their lease by heartbeats, and say how each ended, in calls that any process may take. What makes
 * a handler of `work` safe holds for them, too: an end counts once, and only from who holds the task. Between calls nothing is kept here but which
 * priorities the claims have passed over.
 *
 * The answer to a claim may be lost after the tasks were taken. Then the worker says with its next claim what it is `holding`, and gets the rest again,
 * under a new lease. Not by a key of the claim: that would find the tasks under the lease that the lost answer had, which whatever still runs of the call before
 * (its caller is gone, so it hands back) may take away after they were handed over again; and it would find neither what an older claim took, nor what a
 * worker holds that was started anew and knows no more than its id. All that is stored for it is the turn of the last such claim, with the worker.
 */
export class PullWorkers {
  readonly #context: DomainContext
  readonly #room: () => TaskRoom
  readonly #ends: PullEnds

  constructor(context: DomainContext, room: () => TaskRoom) {
    this.#context = context
    this.#room = room
    this.#ends = new PullEnds(context, room)
  }

  /**
   * Takes up to `most` tasks, waiting up to `waitMs` for the first. Keeps the worker alive as a heartbeat does. LEASE_LOST when the worker was silent for
   * longer than its lease: claim without `worker` then. AGENT_NOT_FOUND, INVALID_ARGUMENT.
   *
   * With `holding`, what the worker holds beyond it comes first, and alone: the same attempts, under a new lease, so that of all answers that ever named such
   * a task only this one can end it. Name everything whose end is not answered yet, and make one such claim of a worker at a time: what is left out is given out again.
   */
  async claim(given: PullClaim): Promise<PulledTasks> {
    const { types, most, leaseMs, agent, waitMs, worker: known, signal, ageMs, holding, turn, held } = checkClaim(given)
    const agentId = agent === undefined ? null : await resolveAgentId(this.#context, agent, 'agent')
    const { wakeUps, limits } = this.#room()
    let looks = 0
    if (waitMs > 0) await wakeUps.listen()
    const end = performance.now() + waitMs
    const { now, ...lease } = known === undefined ? await this.#register(types, agentId, leaseMs) : await this.#leaseOf(known)
    const cancel = new Set<string>()
    const lost = new Set<string>()
    for (let beatAt = performance.now() + lease.leaseMs / 3, first = known !== undefined; ; first = false) {
      if (first || performance.now() >= beatAt) {
        const news = await this.heartbeat(lease.worker)
        for (const id of news.cancel) cancel.add(id)
        for (const id of news.lost) lost.add(id)
        beatAt = performance.now() + lease.leaseMs / 3
      }
      const seen = wakeUps.version
      // Once: what is taken while it waits was given to others, of whom its `holding` cannot know.
      const again = holding === undefined || !first || most === 0 ? [] : await this.#handOver(types, most, lease.worker, holding, turn ?? now)
      if (again === undefined && turn !== undefined) throw overtaken(lease.worker, turn)
      if (again === undefined) return { ...lease, tasks: [], cancel: [...cancel], lost: [...lost] }
      const tasks = again.length > 0 || most === 0 ? again : await this.#take(types, most, lease.worker, agentId, ageMs)
      const left = end - performance.now()
      if (signal?.aborted === true) {
        // Whoever asked is gone: kept, they would be held for as long as the worker lives.
        if (tasks.length > 0) await this.#giveBack(lease.worker, tasks)
        return { ...lease, tasks: [], cancel: [...cancel], lost: [...lost] }
      }
      if (tasks.length > 0 || left <= 0 || most === 0 || wakeUps.closed) {
        for (const id of await this.#gone(lease.worker, holding ?? [])) lost.add(id)
        for (const { id } of tasks) lost.delete(id)
        return { ...lease, tasks, cancel: [...cancel], lost: [...lost], ...(held === undefined ? {} : listed(await this.#newsOf(lease.worker, held))) }
      }
      await limits.look()
      await wakeUps.wait(seen, Math.min(left, limits.waitMs(looks++, Math.min(LOOK_EVERY_MS, lease.leaseMs / 3))), signal ?? NEVER)
    }
  }

  /** Says that the worker lives, at least three times in its lease. LEASE_LOST when its tasks are others' by now; INVALID_ARGUMENT. */
  async heartbeat(worker: string, options: PullBeat = {}): Promise<PullNews> {
    const id = check(uuidText, worker, 'worker')
    const { held } = checkBeat(options)
    if ((await this.#query(HEARTBEAT.text, [id, 0], HEARTBEAT.name)).length === 0) throw leaseLost(id)
    await this.#room().handBackLostClaims()
    const news = await this.#newsOf(id, held ?? 0)
    const accepted = news.overdue.length === 0 ? [] : (await this.#ends.store(id, overdue(news.overdue), 'timeout')).accepted
    await this.#query(DROP_EMPTY_CLAIMS, [id])
    return { cancel: news.cancelled, lost: accepted, ...(held === undefined ? {} : listed(news)) }
  }

  /**
   * Stores how tasks ended; safe to repeat when the answer was lost, but for a failure that is tried again: the task is another's then, and refused.
   * INVALID_ARGUMENT, SERIALIZATION_ERROR and PAYLOAD_TOO_LARGE with `details.field`; nothing is stored then.
   */
  async end(worker: string, ends: readonly PullEnd[]): Promise<PullEnded> {
    return this.#ends.store(check(uuidText, worker, 'worker'), checkEnds(ends), 'error')
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
    const ends = released(held.map(({ id: task, lease }) => ({ task, lease })))
    const accepted = ends.length === 0 ? [] : (await this.#ends.store(id, ends, 'released')).accepted
    const { identity, sql } = this.#context
    const { rowCount } = await sql.query(identity, REMOVE_WORKER, [identity.tenant, id, held.map(({ lease }) => lease)])
    return { deleted: rowCount > 0, handedBack: accepted.length }
  }

  async #register(types: readonly string[], agentId: string | null, leaseMs: number): Promise<{ worker: string; leaseMs: number; now: number }> {
    const worker = uuidv7()
    await this.#query(REGISTER_WORKER, [worker, types, agentId, leaseMs, JSON.stringify({ pulls: true })])
    return { worker, leaseMs, now: 0 }
  }

  async #leaseOf(worker: string): Promise<{ worker: string; leaseMs: number; now: number }> {
    const [row] = await this.#query<{ leaseMs: number; now: number }>(LEASE_OF, [worker])
    if (row === undefined) throw leaseLost(worker)
    return { worker, ...row }
  }

  async #take(types: readonly string[], most: number, worker: string, agentId: string | null, ageMs: number): Promise<PulledTask[]> {
    await this.#room().handBackLostClaims()
    const lease = uuidv7()
    try {
      const rows = await this.#claimed(types, most, worker, lease, agentId, this.#room().ageingOf(types, agentId, ageMs))
      const tasks = await this.#withInputs(rows, lease)
      if (rows.some(({ relations }) => (relations & 2) !== 0)) await this.#room().upkeep.release()
      return tasks
    } catch (error) {
      if (isCairnError(error) && error.details['constraint'] === 'worker_alive') throw leaseLost(worker)
      // Whoever asked will not learn what was claimed for it.
      this.#room().pulling().add(lease, worker)
      throw error
    }
  }

  /** Of all priorities, or of one that claims of this process for such tasks have passed over. */
  async #claimed(types: readonly string[], most: number, worker: string, lease: string, agentId: string | null, ageing: Ageing): Promise<ClaimedTask[]> {
    const claim = (upTo: number, bounds: readonly string[] | null) => this.#query<ClaimedTask>(CLAIM.text, [types, types.map(() => upTo), upTo, worker, lease, agentId, bounds, null], CLAIM.name)
    const share = await ageing.due()
    if (share !== undefined) {
      const rows = await claim(Math.min(most, share.most), new ClaimBounds(types).only(share.score))
      ageing.found(share, rows)
      if (rows.length > 0) return rows
    }
    const rows = await claim(most, null)
    ageing.found(undefined, rows)
    return rows
  }

  /** What the worker holds beyond what it knows of. Of these, what was cancelled ends here. Undefined when a later claim was made. */
  async #handOver(types: readonly string[], most: number, worker: string, known: Known, turn: number): Promise<PulledTask[] | undefined> {
    const lease = uuidv7()
    try {
      const values = [worker, types, most, lease, known.map(({ task }) => task), known.map((held) => held.lease), turn]
      const all = await this.#query<ClaimedTask & { readonly cancelled: boolean; readonly mine: boolean }>(HAND_OVER, values)
      if (all[0]?.mine !== true) return undefined
      const rows = all.filter(({ id }) => id !== null)
      const cancelled = rows.filter((row) => row.cancelled).map(({ id: task }) => ({ task, lease }))
      if (cancelled.length > 0) await this.#ends.store(worker, released(cancelled), 'released')
      return await this.#withInputs(rows.filter((row) => !row.cancelled), lease)
    } catch (error) {
      this.#room().pulling().add(lease, worker)
      throw error
    }
  }

  async #withInputs(rows: ClaimedTask[], lease: string): Promise<PulledTask[]> {
    rows.sort(byPriority)
    const wanted = rows.filter(({ relations }) => (relations & 4) !== 0).map(({ id }) => id)
    const inputs = wanted.length === 0 ? [] : await this.#query<{ id: string; name: string; result: unknown }>(INPUTS_OF, [wanted])
    return rows.map((row) => pulled(row, lease, Object.fromEntries(inputs.filter(({ id }) => id === row.id).map(({ name, result }) => [name, result]))))
  }

  async #giveBack(worker: string, tasks: readonly PulledTask[]): Promise<void> {
    try {
      await this.#ends.store(worker, released(tasks.map(({ id: task, lease }) => ({ task, lease }))), 'released')
    } catch (error) {
      for (const lease of new Set(tasks.map((task) => task.lease))) this.#room().pulling().add(lease, worker)
      throw error
    }
  }

  async #newsOf(worker: string, most: number): Promise<News> {
    return (await this.#query<News>(NEWS_OF, [worker, most]))[0] as News
  }

  /** Those of `holding` that are not held. */
  async #gone(worker: string, holding: Known): Promise<string[]> {
    if (holding.length === 0) return []
    const rows = await this.#query<{ id: string; lease: string }>(HELD, [worker, holding.map(({ task }) => task), holding.map(({ lease }) => lease)])
    const held = new Set(rows.map(({ id, lease }) => `${id} ${lease}`))
    return holding.filter(({ task, lease }) => !held.has(`${task} ${lease}`)).map(({ task }) => task)
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

function listed({ count, first }: News): { held: readonly PullHeld[]; moreHeld: number } {
  return { held: first, moreHeld: count - first.length }
}

function overtaken(worker: string, turn: number): CairnError {
  return new CairnError('INVALID_ARGUMENT', `turn: worker ${worker} has made a claim with a later turn than ${turn}. Each claim needs a greater one than the claim before.`, { details: { field: 'turn', worker, turn } })
}

function leaseLost(worker: string, task?: string): CairnError {
  const message = task === undefined
    ? `Worker ${worker} was silent for longer than its lease, or never was: what it held is others' by now. Claim without a worker to go on.`
    : `Worker ${worker} does not hold task ${task} under this lease.`
  return new CairnError('LEASE_LOST', message, { details: task === undefined ? { worker } : { worker, taskId: task } })
}
