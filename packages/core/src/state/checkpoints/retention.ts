import { CairnError } from '../../errors/index.ts'

export const PERIODS = ['hour', 'day', 'week', 'month'] as const
export type Period = (typeof PERIODS)[number]

/**
 * Which checkpoints of an agent are kept. One is removed when no rule keeps it: neither `keepLast`, nor `keepEvery`, nor a
 * protected tag; with `olderThanMs`, only when it is older than that. At least one of the first three must be given.
 */
export interface RetentionPolicy {
  /** The newest so many. */
  readonly keepLast?: number
  /** The newest one of each of the last so many hours, days, weeks (from Monday) and months that have one, in UTC. */
  readonly keepEvery?: Partial<Readonly<Record<Period, number>>>
  /** Younger ones are kept. */
  readonly olderThanMs?: number
  /** Checkpoints with one of these tags are kept; `*` at the end stands for any text. @default ['*'] */
  readonly protectedTags?: readonly string[]
}

export interface Candidate {
  readonly id: string
  readonly createdAt: Date
  readonly tags: readonly string[]
}

/** The ids to remove. `candidates` are all checkpoints of an agent, newest first. */
export function doomed(candidates: readonly Candidate[], policy: RetentionPolicy, now: Date): Set<string> {
  const kept = new Set(candidates.slice(0, policy.keepLast ?? 0).map(({ id }) => id))
  for (const period of PERIODS) {
    const most = policy.keepEvery?.[period] ?? 0
    const periods = new Set<string>()
    for (const { id, createdAt } of candidates) {
      const start = startOf(period, createdAt)
      if (periods.has(start)) continue
      if (periods.size === most) break
      periods.add(start)
      kept.add(id)
    }
  }
  const tags = policy.protectedTags ?? ['*']
  const youngest = policy.olderThanMs === undefined ? Number.POSITIVE_INFINITY : now.getTime() - policy.olderThanMs
  return new Set(candidates.filter((each) => !kept.has(each.id) && each.createdAt.getTime() < youngest && !each.tags.some((tag) => tags.some((pattern) => fits(tag, pattern)))).map(({ id }) => id))
}

function fits(tag: string, pattern: string): boolean {
  return pattern.endsWith('*') ? tag.startsWith(pattern.slice(0, -1)) : tag === pattern
}

function startOf(period: Period, time: Date): string {
  const day = new Date(Date.UTC(time.getUTCFullYear(), time.getUTCMonth(), time.getUTCDate()))
  switch (period) {
    case 'hour':
      return time.toISOString().slice(0, 13)
    case 'day':
      return day.toISOString().slice(0, 10)
    case 'week':
      return new Date(day.getTime() - ((day.getUTCDay() + 6) % 7) * 86_400_000).toISOString().slice(0, 10)
    case 'month':
      return day.toISOString().slice(0, 7)
  }
}

/** INVALID_ARGUMENT, naming the field, unless it is a policy. */
export function checkPolicy(policy: RetentionPolicy): RetentionPolicy {
  if (typeof policy !== 'object' || policy === null) refuse('policy', policy, 'an object')
  const { keepLast, keepEvery, olderThanMs, protectedTags, ...unknown } = policy as RetentionPolicy & Record<string, unknown>
  for (const name of Object.keys(unknown)) refuse(`policy.${name}`, unknown[name], 'a rule; the rules are keepLast, keepEvery, olderThanMs, protectedTags')
  if (keepLast === undefined && keepEvery === undefined && olderThanMs === undefined) refuse('policy', policy, 'complete: give keepLast, keepEvery or olderThanMs')
  if (keepLast !== undefined) whole('policy.keepLast', keepLast)
  if (olderThanMs !== undefined) whole('policy.olderThanMs', olderThanMs)
  if (keepEvery !== undefined) {
    if (typeof keepEvery !== 'object' || keepEvery === null) refuse('policy.keepEvery', keepEvery, 'an object')
    for (const [period, count] of Object.entries(keepEvery)) {
      if (!(PERIODS as readonly string[]).includes(period)) refuse('policy.keepEvery', period, `one of ${PERIODS.join(', ')}`)
      whole(`policy.keepEvery.${period}`, count)
    }
  }
  if (protectedTags !== undefined && !(Array.isArray(protectedTags) && protectedTags.every((tag) => typeof tag === 'string'))) refuse('policy.protectedTags', protectedTags, 'an array of texts')
  return policy
}

function whole(field: string, value: unknown): void {
  if (!Number.isSafeInteger(value) || (value as number) < 0) refuse(field, value, 'a whole number, 0 or more')
}

function refuse(field: string, value: unknown, wanted: string): never {
  throw new CairnError('INVALID_ARGUMENT', `${field}: ${JSON.stringify(value) ?? String(value)} is not ${wanted}.`, { details: { field } })
}
