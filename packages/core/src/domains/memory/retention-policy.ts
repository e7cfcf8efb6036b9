import * as z from 'zod'
import { check, invalid } from '../../checks/index.ts'
import type { GivenRetentionPolicy, MemoryRetentionPolicy, PriorityDays } from '../../options/index.ts'

export const DEFAULT_MEMORY_RETENTION: MemoryRetentionPolicy = Object.freeze({
  lifetimeDays: Object.freeze({ low: 30, normal: 180, high: 730 }),
  keepImportance: 0.9,
  archiveDays: Object.freeze({ low: 30, normal: 365, high: null }),
})

const days = z.number().min(0).max(1_000_000).nullable().optional()
const priorities = z.strictObject({ low: days, normal: days, high: days }).optional()
const schema = z.strictObject({ lifetimeDays: priorities, keepImportance: z.number().min(0).max(1).optional(), archiveDays: priorities })

/** What is given over the defaults; INVALID_ARGUMENT. */
export function retentionPolicy(given: GivenRetentionPolicy = {}, defaults: MemoryRetentionPolicy = DEFAULT_MEMORY_RETENTION): MemoryRetentionPolicy {
  if (typeof given !== 'object' || given === null) throw invalid('policy', 'must be an object')
  const { lifetimeDays, keepImportance, archiveDays } = check(schema, given, 'policy')
  return {
    lifetimeDays: over(defaults.lifetimeDays, lifetimeDays),
    keepImportance: keepImportance ?? defaults.keepImportance,
    archiveDays: over(defaults.archiveDays, archiveDays),
  }
}

function over(defaults: PriorityDays, given: { low?: number | null | undefined; normal?: number | null | undefined; high?: number | null | undefined } = {}): PriorityDays {
  const of = (name: keyof PriorityDays): number | null => (given[name] === undefined ? defaults[name] : given[name])
  return { low: of('low'), normal: of('normal'), high: of('high') }
}
