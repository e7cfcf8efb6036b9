import * as z from 'zod'
import { check, jsonText, text, uuidText } from '../../checks/index.ts'
import { idOrKey } from './input.ts'
import type { PullClaim, PullEnd } from './pull-types.ts'
import { checkUsage } from './usage.ts'

const LONGEST_WAIT_MS = 60_000

const claim = z.strictObject({
  types: z.array(text(1, 100)).min(1).max(1000).transform((types) => [...new Set(types)]),
  most: z.number().int().min(1).max(1000).default(1),
  worker: uuidText.optional(),
  leaseMs: z.number().int().min(200).max(3_600_000).default(30_000),
  agent: idOrKey.optional(),
  waitMs: z.number().int().min(0).max(LONGEST_WAIT_MS).default(0),
  signal: z.instanceof(AbortSignal).optional(),
})

const end = z.strictObject({
  task: uuidText,
  lease: uuidText,
  status: z.enum(['completed', 'failed', 'released']),
  result: z.unknown().optional(),
  error: z.string().max(1_000_000).optional(),
  details: z.record(z.string(), z.unknown()).optional(),
  retry: z.boolean().optional(),
  usage: z.unknown().optional(),
})
const ends = z.array(end).max(1000)

/** An end as the statements take it: JSON as text. */
export interface CheckedEnd {
  readonly id: string
  readonly lease: string
  readonly status: PullEnd['status']
  readonly result: string | null
  readonly error: string
  readonly details: string
  readonly retry: boolean
  readonly usage: string | null
}

/** INVALID_ARGUMENT with `details.field`. */
export function checkClaim(given: PullClaim): z.output<typeof claim> {
  return check(claim, given, 'claim')
}

/** INVALID_ARGUMENT, SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE, each with `details.field`: nothing is ended then. */
export function checkEnds(given: readonly PullEnd[]): CheckedEnd[] {
  return check(ends, given, 'ends').map(({ task, lease, status, result, error, details, retry, usage }, index) => ({
    id: task,
    lease,
    status,
    result: result === undefined ? null : jsonText(`ends.${index}.result`, result),
    error: (error ?? 'The worker says that it failed.').replaceAll('\0', '').toWellFormed().slice(0, 10_000),
    details: jsonText(`ends.${index}.details`, details ?? {}),
    retry: retry ?? true,
    usage: usage === undefined ? null : JSON.stringify(checkUsage(usage as NonNullable<PullEnd['usage']>)),
  }))
}
