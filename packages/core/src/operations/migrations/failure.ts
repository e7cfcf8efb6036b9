import { CairnError, isCairnError } from '../../errors/index.ts'
import type { MigrationScript } from './migration.ts'
import { lineAt } from './sql-statements.ts'

/** Thrown inside a step, so that the caller knows that the step's own SQL is at fault. The message names the place. */
export class StepFailure extends Error {
  override readonly name = 'StepFailure'
  /** Of a non-transactional migration: the statements that were run to their end. */
  readonly statementsDone: number

  constructor(message: string, cause: unknown, statementsDone = 0) {
    super(message, { cause })
    this.statementsDone = statementsDone
  }
}

/** What went wrong, with the line of the file where the server names a position in the script. */
export function describeFailure(error: unknown, file: string, script: MigrationScript): string {
  const position = positionOf(error)
  const place = position === undefined ? file : `${file}:${script.line + lineAt(script.sql, position - 1) - 1}`
  return `${place}: ${messageOf(error)}`
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The server counts characters of the text it was sent, from 1. */
function positionOf(error: unknown): number | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    const position = 'position' in at ? Number(at.position) : Number.NaN
    if (Number.isInteger(position) && position > 0) return position
  }
  return undefined
}

export function migrationFailed(failure: StepFailure, direction: 'up' | 'down', details: Record<string, unknown>): CairnError {
  const code = isCairnError(failure.cause) ? { causeCode: failure.cause.code } : {}
  return new CairnError('MIGRATION_FAILED', `${failure.message} Correct it and run \`cairn migrate ${direction}\` again.`, {
    cause: failure.cause,
    details: { ...details, ...code },
  })
}
