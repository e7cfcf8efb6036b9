import { CairnError, isCairnError } from '@cairn/core'

/** A checkpoint or an item of the store that was not carried over, or that differs. */
export interface ImportProblem {
  /** Of a checkpoint the thread, path and id; of an item of the store its namespace path and key. */
  readonly thread?: string
  readonly path?: string
  readonly checkpoint?: string | null
  readonly namespace?: string
  readonly key?: string
  readonly code: string
  readonly message: string
}

export interface ImportCount {
  /** Found in the official tables. */
  found: number
  /** Written by this run; in a dry run, what it would write. */
  written: number
  /** There already, and the same. */
  same: number
  /** Not carried over, or with --verify missing or different. */
  failed: number
}

const MOST_PROBLEMS = 1_000
/** Of one checkpoint; anything else ends the run. */
const OF_ONE: ReadonlySet<string> = new Set(['IMPORT_MALFORMED', 'INVALID_ARGUMENT', 'PAYLOAD_TOO_LARGE', 'SERIALIZATION_ERROR', 'CONSISTENCY_VIOLATION', 'VERSION_CONFLICT'])

/** Counts, and what went wrong: all of it is counted, the first thousand are kept. */
export class ImportReport {
  readonly checkpoints: ImportCount = { found: 0, written: 0, same: 0, failed: 0 }
  readonly items: ImportCount = { found: 0, written: 0, same: 0, failed: 0 }
  readonly problems: ImportProblem[] = []
  threads = 0
  writes = 0
  /** Items that were changed later in Cairn, and stay as they are. */
  newerHere = 0
  readonly #strict: boolean

  constructor(strict: boolean) {
    this.#strict = strict
  }

  get failed(): number {
    return this.checkpoints.failed + this.items.failed
  }

  /** Notes it and goes on; throws it when strict, or when it is not of one checkpoint. */
  fail(kind: 'checkpoints' | 'items', where: Omit<ImportProblem, 'code' | 'message'>, error: unknown): void {
    if (!isCairnError(error) || !OF_ONE.has(error.code)) throw error
    if (this.#strict) throw new CairnError('IMPORT_MALFORMED', error.message, { cause: error, details: { ...error.details, ...where } })
    this[kind].failed++
    if (this.problems.length < MOST_PROBLEMS) this.problems.push({ ...where, code: error.code, message: error.message })
  }
}
