import { isCairnError } from '../../errors/index.ts'

/** The name of the database rule that `error` tells of, or undefined. */
export function constraintOf(error: unknown): string | undefined {
  if (!isCairnError(error)) return undefined
  const { constraint } = error.details
  return typeof constraint === 'string' ? constraint : undefined
}
