import { uuidv7 } from '../../ids/index.ts'
import { check, jsonText } from '../../checks/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { type Page, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import type { ResilienceService } from '../resilience/index.ts'
import { checkOptions, chooseSchema, filterSchema, idOrKey, modelChanges, newModel, usageSchema } from './input.ts'
import { CHOOSE_MODEL, GET_MODEL, INSERT_MODEL, LIST_MODELS, RECORD_CALL, RECORD_CHECK, REMOVE_MODEL, UPDATE_MODEL } from './models-queries.ts'
import type { ChooseModel, Model, ModelCallContext, ModelCallOptions, ModelCheck, ModelFields, ModelFilter, ModelUsage, NewModel } from './types.ts'
import { type CountedUsage, NO_USAGE, counted, usageOf } from './usage.ts'

const MAX_ERROR = 2_000
const ALL = 1000

/**
 * The models of one tenant, with statistics and health kept by the calls themselves. Wherever a model is asked for, its id, key or name may be given.
 * Errors of all methods besides those named: INVALID_ARGUMENT with `details.field`, NOT_FOUND for a model that the tenant does not have, and those of the
 * SQL engine. Source: S0 §6.
 */
export class ModelsService {
  readonly #context: DomainContext
  readonly #resilience: ResilienceService

  constructor(context: DomainContext, resilience: ResilienceService) {
    this.#context = context
    this.#resilience = resilience
  }

  /** DUPLICATE_KEY when key or name is taken, SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE. */
  async register(input: NewModel): Promise<Model> {
    const { key, name, provider, size, capabilities, parameters, priority, status } = check(newModel, input, 'model')
    const values = [uuidv7(), key ?? name, name, provider, size, JSON.stringify(capabilities), jsonText('parameters', parameters), priority, status]
    const registered = (await this.#query<Model>(INSERT_MODEL, values)).rows[0]
    if (registered === undefined) throw taken(key ?? name, name)
    return registered
  }

  async get(model: string): Promise<Model> {
    const found = await this.find(model)
    if (found !== undefined) return found
    const { tenant } = this.#context.identity
    throw new CairnError('NOT_FOUND', `No model with the id, key or name ${JSON.stringify(model)} exists in tenant "${tenant}". Register it with models.register, or check it and the tenant.`, { details: { model, tenant } })
  }

  /** As `get`, or undefined. */
  async find(model: string): Promise<Model | undefined> {
    return (await this.#query<Model>(GET_MODEL, [check(idOrKey, model, 'model')])).rows[0]
  }

  /** By name. INVALID_CURSOR. */
  async list(filter: ModelFilter = {}): Promise<Page<Model>> {
    const { provider, status, health, capabilities } = check(filterSchema, filter, 'filter')
    const limit = pageLimit(filter)
    const after = decodeCursor('models', filter.cursor, 1)?.[0] ?? null
    const { rows } = await this.#query<Model>(LIST_MODELS, [provider ?? null, status ?? null, health ?? null, capabilities === undefined ? null : JSON.stringify(capabilities), after, limit + 1])
    return toPage('models', rows, limit, ({ name }) => [name])
  }

  /** What is left out stays as it is. DUPLICATE_KEY when the name is taken, SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE. */
  async update(model: string, changes: Partial<ModelFields>): Promise<Model> {
    const { name, provider, size, capabilities, parameters, priority, status } = check(modelChanges, changes, 'changes')
    const { id, key } = await this.get(model)
    const values = [id, name ?? null, provider ?? null, size !== undefined, size ?? null, capabilities === undefined ? null : JSON.stringify(capabilities), parameters === undefined ? null : jsonText('parameters', parameters), priority ?? null, status ?? null]
    const { rows } = await this.#query<Model>(UPDATE_MODEL, values).catch((error: unknown) => {
      throw isCairnError(error, 'DUPLICATE_KEY') ? taken(key, name ?? '') : error
    })
    return rows[0] ?? this.get(id)
  }

  /** False when there is none. Its statistics go with it. */
  async remove(model: string): Promise<boolean> {
    const found = await this.find(model)
    return found !== undefined && (await this.#query(REMOVE_MODEL, [found.id])).rowCount > 0
  }

  /**
   * The best model that is available, not unhealthy, and has all that is asked for: a healthy one before a degraded one, then by priority, then by what
   * its last calls show (docs/reference/models.md). MODEL_UNAVAILABLE when there is none.
   */
  async choose(wish: ChooseModel = {}): Promise<Model> {
    const { capabilities, provider, except = [] } = check(chooseSchema, wish, 'wish')
    const { rows } = await this.#query<Model>(CHOOSE_MODEL, [capabilities === undefined ? null : JSON.stringify(capabilities), provider ?? null, except])
    if (rows[0] !== undefined) return rows[0]
    throw new CairnError('MODEL_UNAVAILABLE', `No model is available and healthy enough${capabilities === undefined ? '' : ` that has ${capabilities.join(', ')}`}${provider === undefined ? '' : ` of the provider ${JSON.stringify(provider)}`}. See models.list for status and health.`, { details: { capabilities: capabilities ?? [], provider: provider ?? null } })
  }

  /**
   * Calls `work` on behalf of the model, through the circuit breaker `model:<key>`, and takes in how long it took, its tokens, and whether it failed: each
   * try on its own. What the breaker or the bulkhead refused is no call. A failure to take it in is logged and loses no answer.
   *
   * Errors: that of the last try; MODEL_UNAVAILABLE when it is switched off, CIRCUIT_OPEN, BULKHEAD_FULL, TIMEOUT.
   */
  async call<T>(model: string, work: (context: ModelCallContext) => T | Promise<T>, options: ModelCallOptions = {}): Promise<T> {
    const found = await this.get(model)
    if (found.status === 'unavailable') throw new CairnError('MODEL_UNAVAILABLE', `The model ${JSON.stringify(found.name)} is switched off. Set its status to available, or choose another.`, { details: { model: found.id, status: found.status } })
    const tellsAgainst = (error: unknown): boolean => options.signal?.aborted !== true && !isCairnError(error, 'INVALID_ARGUMENT') && (options.isFailure?.(error) ?? true)
    const tries: Promise<unknown>[] = []
    const once = async ({ signal, attempt }: Pick<ModelCallContext, 'signal' | 'attempt'>): Promise<T> => {
      let told: CountedUsage | undefined
      const usage = (given: ModelUsage): void => void (told = counted(check(usageSchema, given, 'usage') as ModelUsage))
      const begun = performance.now()
      try {
        const result = await unlessAborted(signal, async () => work({ model: found, signal, attempt, usage }))
        await this.#record(found, true, performance.now() - begun, told ?? usageOf(result), null)
        return result
      } catch (error) {
        if (tellsAgainst(error)) await this.#record(found, false, performance.now() - begun, told ?? NO_USAGE, error)
        throw error
      }
    }
    const kept = (context: Pick<ModelCallContext, 'signal' | 'attempt'>): Promise<T> => {
      const trying = once(context)
      tries.push(trying)
      return trying
    }
    try {
      return await this.#resilience.call(`model:${found.key}`, kept, options)
    } finally {
      // A try that was given up is taken in too, before the caller is told.
      await Promise.allSettled(tries)
    }
  }

  /**
   * Checks a model: `probe` resolves when it is well. It tells of health as a call does, with a tenth of the weight of all before, and counts as no request.
   * Never through the breaker, so that one that is open does not hide a recovery. Never rejects because the probe did.
   */
  async check(model: string, probe: (context: { readonly model: Model; readonly signal: AbortSignal }) => unknown, options: { readonly timeoutMs?: number } = {}): Promise<ModelCheck> {
    const { timeoutMs } = check(checkOptions, options, 'options')
    return this.#check(await this.get(model), probe, timeoutMs)
  }

  /** Checks all models that are not switched off, five at a time. By name. */
  async checkAll(probe: (context: { readonly model: Model; readonly signal: AbortSignal }) => unknown, options: { readonly timeoutMs?: number } = {}): Promise<ModelCheck[]> {
    const { timeoutMs } = check(checkOptions, options, 'options')
    const checks: ModelCheck[] = []
    for (let cursor: string | undefined; ; ) {
      const page = await this.list({ limit: ALL, ...(cursor === undefined ? {} : { cursor }) })
      const models = page.items.filter(({ status }) => status !== 'unavailable')
      for (let at = 0; at < models.length; at += 5) checks.push(...(await Promise.all(models.slice(at, at + 5).map((model) => this.#check(model, probe, timeoutMs)))))
      if (page.nextCursor === null) return checks
      cursor = page.nextCursor
    }
  }

  async #check(model: Model, probe: (context: { readonly model: Model; readonly signal: AbortSignal }) => unknown, timeoutMs: number): Promise<ModelCheck> {
    const begun = performance.now()
    const error = await this.#resilience.call(`model:${model.key}`, async ({ signal }) => void (await probe({ model, signal })), { timeoutMs, breaker: false }).then(
      () => null,
      (problem: unknown) => describe(problem),
    )
    const responseTimeMs = performance.now() - begun
    const { rows } = await this.#query<{ health: Model['health'] }>(RECORD_CHECK, [model.id, error === null, error])
    return { model: model.name, health: rows[0]?.health ?? 'unknown', responseTimeMs, error }
  }

  async #record(model: Model, succeeded: boolean, ms: number, { input, output, total }: CountedUsage, error: unknown): Promise<void> {
    const { sql, identity, log } = this.#context
    try {
      await sql.query(identity, RECORD_CALL, [identity.tenant, model.id, succeeded, ms, total, input, output, succeeded ? null : describe(error)], { name: 'cairn_model_call' })
    } catch (problem) {
      log.warn({ err: problem, model: model.name }, 'a call of a model could not be taken into its statistics')
    }
  }

  #query<Row>(text: string, values: readonly unknown[]) {
    const { sql, identity } = this.#context
    return sql.query<Row>(identity, text, [identity.tenant, ...values])
  }
}

function taken(key: string, name: string): CairnError {
  return new CairnError('DUPLICATE_KEY', `A model with the key ${JSON.stringify(key)} or the name ${JSON.stringify(name)} exists already. Use others, or change that one with models.update.`, { details: { key, name } })
}

/** What `work` gives, or the reason of the signal, whichever is first: a function that does not heed the signal is left to itself. */
async function unlessAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal.reason as Error)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work(), aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function describe(error: unknown): string {
  const text = isCairnError(error) ? `${error.code}: ${error.message}` : error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return text.replaceAll('\0', '').toWellFormed().slice(0, MAX_ERROR)
}
