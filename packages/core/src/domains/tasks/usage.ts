import * as z from 'zod'
import { check } from '../../checks/index.ts'

/** What a handler used; kept with the execution. Numbers that are not given are not known. */
export interface TaskUsage {
  readonly tokensProcessed?: number | undefined
  readonly cpuTimeMs?: number | undefined
  readonly cpuPercent?: number | undefined
  /** The most it had at a time, in mebibytes; kept in whole ones, rounded up. */
  readonly memoryMb?: number | undefined
  readonly ioOperations?: number | undefined
}

/** Beyond this a number is a mistake; sums of an agent's tasks stay within a bigint. */
const MOST = 1_000_000_000_000
const whole = z.number().min(0).max(MOST).transform((value) => Math.round(value)).optional()
/** A numeric(8,2). */
const MOST_PERCENT = 999_999
/** An integer. */
const MOST_MB = 2_147_483_647

const Usage = z.strictObject({
  tokensProcessed: whole,
  cpuTimeMs: whole,
  cpuPercent: z.number().min(0).max(MOST_PERCENT).transform((value) => Math.round(value * 100) / 100).optional(),
  memoryMb: z.number().min(0).max(MOST_MB).transform((value) => Math.ceil(value)).optional(),
  ioOperations: whole,
})

/** As the columns take it, so that no report can keep the end of a task from being stored. INVALID_ARGUMENT. */
export function checkUsage(usage: TaskUsage): Record<string, number> {
  return Object.fromEntries(Object.entries(check(Usage, usage, 'usage')).filter((entry): entry is [string, number] => entry[1] !== undefined))
}
