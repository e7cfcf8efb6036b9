import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { type CairnError, type ErrorCode, isCairnError } from '../../../src/index.ts'

export { cairnTargets, openCairn, until } from '../../harness/cairns.ts'

export const uniqueId = (prefix: string): string => `${prefix}-${randomUUID().slice(0, 8)}`

/** The CairnError of this code with which `promise` rejects. */
export async function refusal(promise: Promise<unknown>, code: ErrorCode): Promise<CairnError> {
  const error = await promise.then(
    (value) => expect.fail(`expected ${code}, but it resolved with ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  )
  if (!isCairnError(error, code)) throw new Error(`expected ${code}, got ${String(error)}`, { cause: error })
  return error
}
