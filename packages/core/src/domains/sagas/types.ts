import type { SqlSession } from '../../engines/sql/index.ts'
import type { Actor, TenantIdentity } from '../../identity/index.ts'
import type { PageOptions } from '../../paging/index.ts'
import type { StateService } from '../../state/index.ts'

export const SAGA_STRATEGIES = ['saga_pattern', 'eventual_consistency', 'two_phase_commit'] as const
export type SagaStrategy = (typeof SAGA_STRATEGIES)[number]

export const SAGA_STATUSES = ['pending', 'running', 'compensating', 'completed', 'compensated', 'manual_intervention'] as const
export type SagaStatus = (typeof SAGA_STATUSES)[number]

export const SAGA_STEP_KINDS = ['code', 'transaction', 'state_set', 'state_delete', 'sql_insert', 'sql_update', 'sql_delete'] as const
export type SagaStepKind = (typeof SAGA_STEP_KINDS)[number]

export const SAGA_STEP_STATUSES = ['pending', 'running', 'failed', 'done', 'compensating', 'compensated', 'compensation_failed', 'skipped'] as const
export type SagaStepStatus = (typeof SAGA_STEP_STATUSES)[number]

/** What a step is told. */
export interface SagaContext<Input = unknown> {
  readonly sagaId: string
  readonly sagaName: string
  readonly correlationId: string
  readonly tenant: string
  /** Who started the saga; its steps act as the same. */
  readonly actor: Actor
  readonly identity: TenantIdentity
  readonly input: Input
  /** Results of the steps done so far, by step name. */
  readonly results: Readonly<Record<string, unknown>>
  readonly step: string
  /** The same at every run of this step in this saga, and of no other: give it on as an idempotency key. */
  readonly stepKey: string
  /** As `stepKey`, for what undoes the step. */
  readonly compensationKey: string
  /** Counts from 1, over all processes. */
  readonly attempt: number
  /** An earlier attempt was cut off (crash, time limit): it may have taken effect. */
  readonly uncertain: boolean
  /** Aborted when the step's time is over, the saga was taken over by another process, or this one closes. */
  readonly signal: AbortSignal
  /** State of the saga's tenant. */
  readonly state: StateService
  /** A transaction that commits only while this process holds the saga. SAGA_LEASE_LOST otherwise. */
  transaction<T>(run: (session: SqlSession) => Promise<T>): Promise<T>
}

export interface SagaStepLimits {
  /** An attempt that takes longer is given up with TIMEOUT. @default 30000 */
  readonly timeoutMs?: number
  /** Attempts after the first one. Errors that are not retryable end the step at once. @default 3 */
  readonly retries?: number
}

interface Named extends SagaStepLimits {
  /** Unique within the saga; the key of its result. */
  readonly name: string
}

type Given<Spec, Input> = Spec | ((context: SagaContext<Input>) => Spec)

/** Runs at least once: a crash may repeat it with the same `stepKey`. `compensate` must bear a step that did not happen. */
export interface CodeStep<Input = unknown> extends Named {
  run(context: SagaContext<Input>): unknown
  compensate?(context: SagaContext<Input>): unknown
}

/** Statements that commit together with the record of the step: they take effect exactly once. */
export interface TransactionStep<Input = unknown> extends Named {
  transaction(session: SqlSession, context: SagaContext<Input>): unknown
  /** Commits together with the record of the compensation. */
  compensateTransaction?(session: SqlSession, context: SagaContext<Input>): unknown
}

/** Values by column. JSON columns take JSON; times are ISO text. `tenant_id` is filled in. */
export type SqlRow = Readonly<Record<string, unknown>>

/** Inserts a row; compensation deletes it if nobody changed it. Result: the row's primary key. */
export interface InsertStep<Input = unknown> extends Named {
  readonly insert: Given<{ readonly table: string; readonly row: SqlRow }, Input>
}

/** Sets columns of up to 1,000 rows; compensation restores them if nobody changed them. Result: how many rows. */
export interface UpdateStep<Input = unknown> extends Named {
  readonly update: Given<{ readonly table: string; readonly where: SqlRow; readonly set: SqlRow }, Input>
}

/** Deletes up to 1,000 rows; compensation inserts them again. Rows deleted by a cascade do not come back. Result: how many rows. */
export interface DeleteStep<Input = unknown> extends Named {
  readonly delete: Given<{ readonly table: string; readonly where: SqlRow }, Input>
}

/** Writes a state key; compensation restores its value, or deletes it when there was none. Result: the revision. */
export interface SetStateStep<Input = unknown> extends Named {
  readonly setState: Given<{ readonly agent: string; readonly key: string; readonly value: unknown }, Input>
}

/** Deletes a state key; compensation writes its value again. Result: the revision, 0 when there was nothing. */
export interface DeleteStateStep<Input = unknown> extends Named {
  readonly deleteState: Given<{ readonly agent: string; readonly key: string }, Input>
}

export type SagaStep<Input = unknown> = CodeStep<Input> | TransactionStep<Input> | InsertStep<Input> | UpdateStep<Input> | DeleteStep<Input> | SetStateStep<Input> | DeleteStateStep<Input>

export interface SagaDefinitionOptions<Input = unknown> {
  /**
   * `saga_pattern`: step after step, compensation in reverse. `eventual_consistency`: all SQL steps in one transaction
   * first, then state until it is done. `two_phase_commit`: SQL prepared, state written, SQL committed; needs a
   * PostgreSQL with max_prepared_transactions > 0. @default 'saga_pattern'
   */
  readonly strategy?: SagaStrategy
  /** Names this form of the saga: define old and new side by side while sagas of the old one run. @default '1' */
  readonly version?: string
  /** Looks at what the SQL steps did, in their REPEATABLE READ transaction, before it commits. False or a throw fails the step: SAGA_CHECK_FAILED. */
  readonly check?: (session: SqlSession, context: SagaContext<Input>) => unknown
  /** Limits of one compensating action (S4 §5.4). @default { timeoutMs: 120000, retries: 3 } */
  readonly compensation?: SagaStepLimits
  /** Compensation as a whole; then an operator is asked. @default 300000 */
  readonly compensationTimeoutMs?: number
  /** Begin at once to run sagas of this name in this process. @default true */
  readonly autoRun?: boolean
}

export interface StartSagaOptions {
  /** The same id again is the same saga: nothing is started twice. 1 to 100 visible ASCII characters. @default a new UUID */
  readonly id?: string
  /** Joins the saga with other records; unique in the tenant. @default the id */
  readonly correlationId?: string
}

export interface SagaRunOptions {
  /** A process that is silent for this long loses its sagas to others. @default 10000 */
  readonly leaseMs?: number
  /** How often to look for sagas that others started or left. @default 1000 */
  readonly pollMs?: number
  /** Sagas at once in this process. @default 8 */
  readonly concurrency?: number
  /** Stops running sagas in this process. */
  readonly signal?: AbortSignal
}

export interface SagaError {
  readonly code: string
  readonly message: string
}

export interface Saga {
  readonly id: string
  readonly name: string
  readonly correlationId: string
  readonly strategy: SagaStrategy
  readonly status: SagaStatus
  readonly input: unknown
  /** Why it compensates, was compensated, or waits for an operator; null while all is well. */
  readonly error: SagaError | null
  readonly failedStep: string | null
  /** How many runners had it so far. */
  readonly takeovers: number
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly finishedAt: Date | null
  /** `kind:id` of the operator who ended it by hand. */
  readonly resolvedBy: string | null
  readonly resolutionNote: string | null
}

export interface SagaStepState {
  readonly number: number
  readonly name: string
  readonly kind: SagaStepKind
  readonly status: SagaStepStatus
  readonly attempts: number
  readonly compensationAttempts: number
  /** It may have taken effect without a record of it. */
  readonly uncertain: boolean
  /** The table, or the agent and key; null for code. */
  readonly target: string | null
  readonly before: unknown
  readonly after: unknown
  readonly result: unknown
  readonly error: SagaError | null
  readonly startedAt: Date | null
  readonly finishedAt: Date | null
}

export interface SagaWithSteps extends Saga {
  readonly steps: readonly SagaStepState[]
}

export interface ListSagasOptions extends PageOptions {
  readonly status?: SagaStatus
  readonly name?: string
}

export interface WaitForSagaOptions {
  /** TIMEOUT when the saga has not ended by then. @default 60000 */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface ResolveSaga {
  /** What the operator brought about by hand. */
  readonly outcome: 'completed' | 'compensated'
  readonly note?: string
}
