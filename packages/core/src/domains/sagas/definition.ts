import { createHash } from 'node:crypto'
import * as z from 'zod'
import { CairnError } from '../../errors/index.ts'
import { SAGA_STRATEGIES, type SagaDefinitionOptions, type SagaStep, type SagaStepKind, type SagaStrategy } from './types.ts'

/** A step as the engine sees it: the input's type is the caller's affair. */
export type AnyStep = SagaStep<never>

export interface StepDefinition {
  readonly number: number
  readonly name: string
  readonly kind: SagaStepKind
  readonly step: AnyStep
  readonly timeoutMs: number
  readonly retries: number
}

export interface SagaDefinition {
  readonly name: string
  /** Differs when name, version, strategy or the names and kinds of the steps do: a runner takes only sagas it can finish. */
  readonly hash: string
  readonly strategy: SagaStrategy
  readonly steps: readonly StepDefinition[]
  readonly check: SagaDefinitionOptions<never>['check']
  readonly compensation: { readonly timeoutMs: number; readonly retries: number }
  readonly compensationTimeoutMs: number
}

const KIND_OF: Readonly<Record<string, SagaStepKind>> = {
  run: 'code', transaction: 'transaction', insert: 'sql_insert', update: 'sql_update', delete: 'sql_delete', setState: 'state_set', deleteState: 'state_delete',
}
const MAX_STEPS = 1000
const name = z.string().min(1).max(200).refine((text) => text.isWellFormed() && !text.includes('\0'), 'holds U+0000 or a lone surrogate')
const ms = z.number().int().min(1).max(86_400_000)
const limits = { timeoutMs: ms.optional(), retries: z.number().int().min(0).max(1000).optional() }
const fn = z.custom<(...args: never[]) => unknown>((value) => typeof value === 'function', 'is not a function')
const given = z.custom<object>((value) => typeof value === 'function' || (typeof value === 'object' && value !== null), 'is neither an object nor a function that makes one')
const stepSchema = z.strictObject({
  name, ...limits,
  run: fn.optional(), compensate: fn.optional(),
  transaction: fn.optional(), compensateTransaction: fn.optional(),
  insert: given.optional(), update: given.optional(), delete: given.optional(), setState: given.optional(), deleteState: given.optional(),
})
const optionsSchema = z.strictObject({
  strategy: z.enum(SAGA_STRATEGIES).default('saga_pattern'),
  version: name.default('1'),
  check: fn.optional(),
  compensation: z.strictObject(limits).optional(),
  compensationTimeoutMs: ms.default(300_000),
  autoRun: z.boolean().default(true),
})

export const isSqlKind = (kind: SagaStepKind): boolean => kind === 'transaction' || kind.startsWith('sql_')
export const isStateKind = (kind: SagaStepKind): boolean => kind === 'state_set' || kind === 'state_delete'

/** INVALID_ARGUMENT, naming the field, for what cannot be run. */
export function makeDefinition(sagaName: string, steps: readonly AnyStep[], options: SagaDefinitionOptions<never>): SagaDefinition & { readonly autoRun: boolean } {
  checked(name, sagaName, 'name')
  const { strategy, version, compensation, compensationTimeoutMs, autoRun } = checked(optionsSchema, options, 'options')
  if (!Array.isArray(steps) || steps.length === 0 || steps.length > MAX_STEPS) bad('steps', `a saga has 1 to ${MAX_STEPS} steps`)
  const seen = new Set<string>()
  const made = steps.map((step, index): StepDefinition => {
    const field = `steps[${index}]`
    // Methods of a class instance are not its own properties.
    const plain = checked(stepSchema, step, field)
    if (seen.has(plain.name)) bad(`${field}.name`, `${JSON.stringify(plain.name)} is the name of an earlier step; results and progress are kept by name`)
    seen.add(plain.name)
    const kinds = Object.keys(KIND_OF).filter((key) => Object.hasOwn(step, key))
    if (kinds.length !== 1) bad(field, `give exactly one of ${Object.keys(KIND_OF).join(', ')}; it has ${kinds.length === 0 ? 'none' : kinds.join(' and ')}`)
    const kind = KIND_OF[kinds[0] as string] as SagaStepKind
    if (plain.compensate !== undefined && kind !== 'code') bad(`${field}.compensate`, 'only a step with run takes it; the others restore what they found, and transaction takes compensateTransaction')
    if (plain.compensateTransaction !== undefined && kind !== 'transaction') bad(`${field}.compensateTransaction`, 'only a step with transaction takes it')
    if (strategy !== 'saga_pattern' && kind === 'code') bad(field, `the strategy ${strategy} joins SQL and state in one outcome and takes no step with run`)
    return { number: index + 1, name: plain.name, kind, step, timeoutMs: plain.timeoutMs ?? 30_000, retries: plain.retries ?? 3 }
  })
  if (strategy === 'two_phase_commit' && !made.some(({ kind }) => isSqlKind(kind))) bad('steps', 'two_phase_commit needs at least one step of SQL')
  const form = JSON.stringify([sagaName, version, strategy, made.map((step) => [step.name, step.kind])])
  return {
    name: sagaName,
    hash: createHash('sha256').update(form).digest('hex').slice(0, 32),
    strategy,
    steps: made,
    check: options.check,
    compensation: { timeoutMs: compensation?.timeoutMs ?? 120_000, retries: compensation?.retries ?? 3 },
    compensationTimeoutMs,
    autoRun,
  }
}

export function checked<S extends z.ZodType>(schema: S, value: unknown, field: string): z.output<S> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const path = [field, ...(issue?.path ?? []).map(String)].join('.')
  return bad(path, issue?.message ?? 'malformed')
}

export function bad(field: string, why: string): never {
  throw new CairnError('INVALID_ARGUMENT', `${field}: ${why}.`, { details: { field } })
}
