import { setTimeout as sleep } from 'node:timers/promises'
import { uuidv7 } from '../../ids/index.ts'
import * as z from 'zod'
import { CairnError } from '../../errors/index.ts'
import { decodeCursor, pageLimit, toPage, type Page } from '../../paging/index.ts'
import { canonicalJson } from '../../state/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { type AnyStep, bad, checked, makeDefinition } from './definition.ts'
import { type SagaRow, type StepRow, toSaga, toStep } from './rows.ts'
import type { SagaRunner } from './saga-runner.ts'
import { INSERT_SAGA, INSERT_STEPS, LIST_SAGAS, RESET_STEPS, RESOLVE_SAGA, RESUME_SAGA, SAME_SAGA, SELECT_SAGA, SELECT_STEPS, SKIP_STEP } from './sagas-queries.ts'
import { assertTwoPhase } from './two-phase.ts'
import { SAGA_STATUSES, type ListSagasOptions, type ResolveSaga, type Saga, type SagaDefinitionOptions, type SagaRunOptions, type SagaStatus, type SagaStep, type SagaWithSteps, type StartSagaOptions, type WaitForSagaOptions } from './types.ts'

const MAX_INPUT_BYTES = 1_048_576
const LIST = 'sagas'
const idText = z.string().regex(/^[\x21-\x7e]{1,100}$/, 'is not 1 to 100 visible ASCII characters')
const words = z.string().min(1).max(2000).refine((text) => text.isWellFormed() && !text.includes('\0'), 'holds U+0000 or a lone surrogate')
const whole = (min: number, max: number) => z.number().int().min(min).max(max)
const startSchema = z.strictObject({ id: idText.optional(), correlationId: idText.optional() })
const runSchema = z.strictObject({ leaseMs: whole(100, 3_600_000).optional(), pollMs: whole(10, 3_600_000).optional(), concurrency: whole(1, 1000).optional(), signal: z.instanceof(AbortSignal).optional() })
const listSchema = z.strictObject({ status: z.enum(SAGA_STATUSES).optional(), name: words.optional(), limit: z.number().optional(), cursor: z.string().optional() })
const waitSchema = z.strictObject({ timeoutMs: whole(1, 86_400_000).default(60_000), signal: z.instanceof(AbortSignal).optional() })
const resolveSchema = z.strictObject({ outcome: z.enum(['completed', 'compensated']), note: words.optional() })
const ENDED: ReadonlySet<SagaStatus> = new Set(['completed', 'compensated', 'manual_intervention'])

/**
 * Sagas: work in several steps over SQL, state and whatever else, that ends completed or compensated although any
 * process may die at any moment. Progress is in tables; another process goes on where one stopped. Source: S4 §5.4.
 *
 * Errors of every method: INVALID_ARGUMENT with the field, and the engine's. A saga of another tenant does not exist.
 */
export class SagasService {
  readonly #context: DomainContext
  readonly #runner: SagaRunner

  constructor(context: DomainContext, runner: SagaRunner) {
    this.#context = context
    this.#runner = runner
  }

  /**
   * Tells this process how to run the saga `name`, for all tenants, and (unless `autoRun` is false) begins to.
   * @throws DUPLICATE_KEY when it is defined already, CAPABILITY_MISSING for two_phase_commit without prepared transactions
   */
  define<Input = unknown>(name: string, steps: readonly SagaStep<Input>[], options: SagaDefinitionOptions<Input> = {}): void {
    // From here on the input is whatever was stored for this definition.
    const definition = makeDefinition(name, steps as readonly unknown[] as readonly AnyStep[], options)
    if (definition.strategy === 'two_phase_commit') assertTwoPhase(this.#context.sql)
    this.#runner.definitions.add(definition)
    if (definition.autoRun) this.#runner.start()
    this.#runner.wake()
  }

  /** Runs the defined sagas of all tenants in this process, or changes how; `define` does it with the defaults. */
  run(options: SagaRunOptions = {}): void {
    const { signal, ...settings } = checked(runSchema, options, 'options')
    Object.assign(this.#runner.settings, settings)
    if (signal?.aborted === true) return
    signal?.addEventListener('abort', () => void this.#runner.stop(false), { once: true })
    this.#runner.start()
    this.#runner.wake()
  }

  /**
   * Stores the saga and returns at once; it runs in any process that has defined it. Starting the same id again returns
   * the saga as it is. `input` is JSON, up to 1 MiB.
   * @throws NOT_FOUND for a name that is not defined here, DUPLICATE_KEY for an id with another name or input or a
   * correlation id in use, SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE
   */
  async start(name: string, input: unknown = null, options: StartSagaOptions = {}): Promise<Saga> {
    const { id = uuidv7(), correlationId = id } = checked(startSchema, options, 'options')
    const definition = this.#runner.definitions.get(name)
    const text = canonicalJson(input)
    if (Buffer.byteLength(text) > MAX_INPUT_BYTES) throw new CairnError('PAYLOAD_TOO_LARGE', `input: it has more than ${MAX_INPUT_BYTES} bytes as JSON. Store the large part elsewhere and pass a reference.`, { details: { field: 'input', maxBytes: MAX_INPUT_BYTES } })
    const { sql, identity } = this.#context
    const { tenant, actor } = identity
    const row = await sql.transaction(identity, async (session) => {
      const inserted = await session.query(INSERT_SAGA, [tenant, id, name, definition.hash, correlationId, definition.strategy, text, actor.kind, actor.id])
      if (inserted.rowCount > 0) await session.query(INSERT_STEPS, [tenant, id, definition.steps.map((step) => step.name), definition.steps.map((step) => step.kind)])
      else {
        const there = (await session.query<{ same: boolean }>(SAME_SAGA, [tenant, id, name, text])).rows[0]
        if (there === undefined) throw correlationInUse(correlationId)
        if (!there.same) throw otherSaga(id)
      }
      return (await session.query<SagaRow>(SELECT_SAGA, [tenant, id])).rows[0]
    })
    this.#runner.wake()
    return toSaga(row as SagaRow)
  }

  /** The saga with its steps, what they found and what they left. @throws NOT_FOUND */
  async get(id: string): Promise<SagaWithSteps> {
    const found = await this.find(id)
    if (found === null) throw new CairnError('NOT_FOUND', `saga: no saga ${JSON.stringify(id)} in this tenant. Check the id; list what exists.`, { details: { id } })
    return found
  }

  /** As `get`, or null. */
  async find(id: string): Promise<SagaWithSteps | null> {
    if (typeof id !== 'string') bad('id', 'is not text')
    if (!idText.safeParse(id).success) return null
    const { sql, identity } = this.#context
    // In this order: of a saga that has ended, the steps are then as it left them.
    const saga = (await sql.query<SagaRow>(identity, SELECT_SAGA, [identity.tenant, id])).rows[0]
    if (saga === undefined) return null
    const steps = await sql.query<StepRow>(identity, SELECT_STEPS, [identity.tenant, id])
    return { ...toSaga(saga), steps: steps.rows.map(toStep) }
  }

  /** Newest first. `status: 'manual_intervention'` lists what waits for an operator. @throws INVALID_CURSOR */
  async list(options: ListSagasOptions = {}): Promise<Page<Saga>> {
    const { status, name } = checked(listSchema, options, 'options')
    const limit = pageLimit(options)
    const after = decodeCursor(LIST, options.cursor, 2)
    const { sql, identity } = this.#context
    const { rows } = await sql.query<SagaRow & { createdText: string }>(identity, LIST_SAGAS, [identity.tenant, status ?? null, name ?? null, after?.[0] ?? null, after?.[1] ?? null, limit + 1])
    const page = toPage(LIST, rows, limit, (row) => [row.createdText, row.id])
    return { items: page.items.map(toSaga), nextCursor: page.nextCursor }
  }

  /** The saga when it is completed, compensated, or waits for an operator. @throws NOT_FOUND, TIMEOUT */
  async wait(id: string, options: WaitForSagaOptions = {}): Promise<SagaWithSteps> {
    const { timeoutMs, signal } = checked(waitSchema, options, 'options')
    const end = performance.now() + timeoutMs
    for (let pause = 10; ; pause = Math.min(250, pause * 2)) {
      signal?.throwIfAborted()
      const saga = await this.get(id)
      if (ENDED.has(saga.status)) return saga
      if (performance.now() + pause > end) throw new CairnError('TIMEOUT', `The saga ${id} is ${saga.status} after ${timeoutMs} ms. It goes on; wait again, or see that a process runs that has defined ${JSON.stringify(saga.name)}.`, { details: { id, status: saga.status } })
      await sleep(pause, undefined, signal === undefined ? {} : { signal }).catch(() => signal?.throwIfAborted())
    }
  }

  /** By an operator, after the cause is mended: the step that stopped the saga is tried again. @throws NOT_FOUND, INVALID_TRANSITION unless it waits for one */
  retry(id: string): Promise<SagaWithSteps> {
    return this.#resume(id, false)
  }

  /** By an operator who has dealt with the step that stopped the saga: it is left as it is, and the rest goes on. Errors as for retry. */
  skip(id: string): Promise<SagaWithSteps> {
    return this.#resume(id, true)
  }

  /** By an operator who has done the rest by hand: the saga ends here, with who said so and why. Errors as for retry. */
  async resolve(id: string, how: ResolveSaga): Promise<SagaWithSteps> {
    const { outcome, note = null } = checked(resolveSchema, how, 'resolve')
    await this.get(id)
    const { sql, identity } = this.#context
    const { tenant, actor } = identity
    const { rowCount } = await sql.query(identity, RESOLVE_SAGA, [tenant, id, outcome, `${actor.kind}:${actor.id}`, note])
    if (rowCount === 0) throw await this.#notWaiting(id)
    return this.get(id)
  }

  async #resume(id: string, skip: boolean): Promise<SagaWithSteps> {
    await this.get(id)
    const { sql, identity } = this.#context
    const values = [identity.tenant, id]
    const resumed = await sql.transaction(identity, async (session) => {
      if ((await session.query(RESUME_SAGA, values)).rowCount === 0) return false
      if (skip) await session.query(SKIP_STEP, values)
      await session.query(RESET_STEPS, values)
      return true
    })
    if (!resumed) throw await this.#notWaiting(id)
    this.#runner.wake()
    return this.get(id)
  }

  async #notWaiting(id: string): Promise<CairnError> {
    const { status } = await this.get(id)
    return new CairnError('INVALID_TRANSITION', `The saga ${id} is ${status} and does not wait for an operator; only one in manual_intervention takes retry, skip and resolve.`, { details: { id, status, allowed: [] } })
  }
}

function correlationInUse(correlationId: string): CairnError {
  return new CairnError('DUPLICATE_KEY', `correlationId: ${JSON.stringify(correlationId)} belongs to another saga of this tenant. Use the same id to mean the same saga.`, { details: { field: 'correlationId' } })
}

function otherSaga(id: string): CairnError {
  return new CairnError('DUPLICATE_KEY', `id: ${JSON.stringify(id)} is a saga with another name or input. The same id means the same saga: use a new one.`, { details: { field: 'id', id } })
}
