import type { Saga, SagaStepState } from './types.ts'

export interface SagaRow extends Omit<Saga, 'error'> {
  readonly errorCode: string | null
  readonly error: string | null
}

export interface StepRow extends Omit<SagaStepState, 'error'> {
  readonly hasImage: boolean
  /** Young enough for the hot tier to know a write of it by its operation id. */
  readonly imageFresh: boolean
  readonly kvRevision: number | null
  readonly errorCode: string | null
  readonly error: string | null
}

export function toSaga({ id, name, correlationId, strategy, status, input, failedStep, takeovers, createdAt, updatedAt, finishedAt, resolvedBy, resolutionNote, ...row }: SagaRow): Saga {
  return { id, name, correlationId, strategy, status, input, error: errorOf(row), failedStep, takeovers, createdAt, updatedAt, finishedAt, resolvedBy, resolutionNote }
}

export function toStep({ number, name, kind, status, attempts, compensationAttempts, uncertain, target, before, after, result, startedAt, finishedAt, ...row }: StepRow): SagaStepState {
  return { number, name, kind, status, attempts, compensationAttempts, uncertain, target, before, after, result, error: errorOf(row), startedAt, finishedAt }
}

function errorOf({ errorCode, error }: { errorCode: string | null; error: string | null }): Saga['error'] {
  return errorCode === null ? null : { code: errorCode, message: error ?? '' }
}
