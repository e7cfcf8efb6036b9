import * as z from 'zod'
import { check, jsonText, text, uuidText } from '../../checks/index.ts'
import { CairnError } from '../../errors/index.ts'
import { AGE_MS } from './ageing.ts'
import { storable } from './failures.ts'
import { idOrKey } from './input.ts'
import type { PullBeat, PullClaim, PullEnd } from './pull-types.ts'
import { checkUsage } from './usage.ts'

const LONGEST_WAIT_MS = 60_000
const MOST_HELD = 1000

const claim = z.strictObject({
  types: z.array(text(1, 100)).min(1).max(1000).transform((types) => [...new Set(types)]),
  most: z.number().int().min(0).max(1000).default(1),
  worker: uuidText.optional(),
  leaseMs: z.number().int().min(200).max(3_600_000).default(30_000),
  agent: idOrKey.optional(),
  waitMs: z.number().int().min(0).max(LONGEST_WAIT_MS).default(0),
  signal: z.instanceof(AbortSignal).optional(),
  ageMs: z.number().int().min(0).max(86_400_000).default(AGE_MS),
  holding: z.array(z.strictObject({ task: uuidText, lease: uuidText })).max(10_000).optional(),
  turn: z.number().int().min(0).optional(),
  held: z.number().int().min(0).max(MOST_HELD).optional(),
})
const beat = z.strictObject({ held: z.number().int().min(0).max(MOST_HELD).optional() })

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

/** INVALID_ARGUMENT with `details.field`. */
export function checkBeat(given: PullBeat): z.output<typeof beat> {
  return check(beat, given, 'heartbeat')
}

/** However many they are. */
export function released(tasks: readonly { readonly task: string; readonly lease: string }[]): CheckedEnd[] {
  return tasks.map(({ task, lease }) => ({ id: task, lease, status: 'released', result: null, error: '', details: '{}', retry: true, usage: null }))
}

/** Those that took too long, however many they are. */
export function overdue(tasks: readonly { readonly task: string; readonly lease: string }[]): CheckedEnd[] {
  return released(tasks).map((end) => ({ ...end, status: 'failed', error: 'It took longer than it may.' }))
}

/** INVALID_ARGUMENT, SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE, each with `details.field`: nothing is ended then. */
export function checkEnds(given: readonly PullEnd[]): CheckedEnd[] {
  const checked = check(ends, given, 'ends')
  const places = new Map(checked.map(({ task, lease }, index) => [`${task} ${lease}`, index]))
  const twice = checked.findIndex(({ task, lease }, index) => places.get(`${task} ${lease}`) !== index)
  if (twice !== -1) {
    throw new CairnError('INVALID_ARGUMENT', `ends.${twice}: it names a task that another end of this call names, too. Say once how it ended.`, { details: { field: `ends.${twice}` } })
  }
  return checked.map(({ task, lease, status, result, error, details, retry, usage }, index) => ({
    id: task,
    lease,
    status,
    result: result === undefined ? null : jsonText(`ends.${index}.result`, result),
    error: storable(error ?? 'The worker says that it failed.'),
    details: jsonText(`ends.${index}.details`, details ?? {}),
    retry: retry ?? true,
    usage: usage === undefined ? null : JSON.stringify(checkUsage(usage as NonNullable<PullEnd['usage']>)),
  }))
}
