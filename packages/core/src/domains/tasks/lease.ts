import { hostname } from 'node:os'
import { uuidv7 } from '../../ids/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { CANCELLED_OF, HEARTBEAT, REGISTER_WORKER, REMOVE_WORKER } from './worker-queries.ts'

interface Hooks {
  /** Asked to cancel these. */
  cancel(taskIds: readonly string[]): void
  /** The worker was declared dead: its tasks are others' by now. */
  lost(): void
  /** The lease holds; called after each heartbeat. */
  beaten(): void
  /** How many ends have been refused so far. */
  refused(): number
  /** The tasks that run. */
  running(): readonly string[]
}

/** After a failure it tries more often: the lease goes on running out. */
const RETRY_MS = 500

/**
 * The lease of a worker: one row for all of its tasks, on the database's clock. Sent from the event loop that runs the handlers,
 * on purpose: a process whose loop is blocked for longer than the lease does no work that can be trusted to end, so its tasks go to
 * others and what it says afterwards is refused.
 */
export class Lease {
  id = ''
  readonly #context: DomainContext
  readonly #leaseMs: number
  readonly #types: readonly string[]
  readonly #agentId: string | null
  readonly #hooks: Hooks
  #timer: NodeJS.Timeout | undefined
  #beating: Promise<void> | undefined
  #again = false
  #ended = false

  constructor(context: DomainContext, leaseMs: number, types: readonly string[], agentId: string | null, hooks: Hooks) {
    this.#context = context
    this.#leaseMs = leaseMs
    this.#types = types
    this.#agentId = agentId
    this.#hooks = hooks
  }

  /** Takes a lease under a new id. */
  async take(): Promise<void> {
    const { identity, sql } = this.#context
    const id = uuidv7()
    const processInfo = JSON.stringify({ pid: process.pid, host: hostname(), node: process.version })
    await sql.query(identity, REGISTER_WORKER, [identity.tenant, id, this.#types, this.#agentId, this.#leaseMs, processInfo])
    this.id = id
    this.#plan(this.#leaseMs / 3)
  }

  /** A heartbeat now, besides the regular ones; after the one that is on its way, which may have looked before what this one is for. */
  beat(): Promise<void> {
    if (this.#beating !== undefined) {
      this.#again = true
      return this.#beating
    }
    this.#beating = this.#beatAll()
    return this.#beating
  }

  /** `done`: claims of which nothing is held any more. */
  async end(done: readonly string[]): Promise<void> {
    this.#ended = true
    clearTimeout(this.#timer)
    await this.#beating
    const { identity, sql, log } = this.#context
    if (this.id !== '') await sql.query(identity, REMOVE_WORKER, [identity.tenant, this.id, done]).catch((error: unknown) => log.debug({ err: error }, 'the row of a worker stays until its lease is over'))
  }

  #plan(ms: number): void {
    clearTimeout(this.#timer)
    if (this.#ended) return
    this.#timer = setTimeout(() => void this.beat(), ms)
  }

  async #beatAll(): Promise<void> {
    try {
      do {
        this.#again = false
        await this.#beat()
      } while (this.#again && !this.#ended)
    } finally {
      this.#beating = undefined
    }
  }

  async #beat(): Promise<void> {
    const { identity, sql, log } = this.#context
    const { id } = this
    try {
      const { rows } = await sql.query<{ cancels: string[] }>(identity, HEARTBEAT.text, [identity.tenant, id, this.#hooks.refused()], { name: HEARTBEAT.name })
      const row = rows[0]
      if (row === undefined) {
        if (this.#ended || this.id !== id) return
        log.warn({ worker: id }, 'The worker was silent for longer than its lease; its tasks were given to others')
        this.#hooks.lost()
        return
      }
      // The row says it once, and that answer may be lost; the tasks say it for as long as they are held.
      const running = this.#hooks.running()
      const asked = running.length === 0 ? [] : (await sql.query<{ id: string }>(identity, CANCELLED_OF, [identity.tenant, running])).rows.map((task) => task.id)
      if (row.cancels.length + asked.length > 0) this.#hooks.cancel([...row.cancels, ...asked])
      this.#hooks.beaten()
      this.#plan(this.#leaseMs / 3)
    } catch (error) {
      log.debug({ err: error }, 'a heartbeat failed')
      this.#plan(Math.min(RETRY_MS, this.#leaseMs / 3))
    }
  }
}
