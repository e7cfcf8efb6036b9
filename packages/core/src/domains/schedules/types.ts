import type { PageOptions } from '../../paging/index.ts'
import type { NewTask } from '../tasks/index.ts'
import type { CatchUpPolicy, ScheduleStatus } from './words.ts'

/**
 * The task that a tick makes. Its key is `<schedule id>:<tick, ISO 8601>`; `metadata.schedule` has id, key and tick (`at`). Agents that
 * it names are looked up when the schedule is stored.
 */
export type ScheduledTask<Payload = unknown> = Omit<NewTask<Payload>, 'key' | 'keyWindowMs' | 'runAt' | 'delayMs' | 'expiresAt' | 'dependsOn' | 'ref' | 'parent'>

/** When ticks are; one of `cron`, `everyMs` and `at`. */
export interface ScheduleTiming {
  /** Five fields (minute to weekday), six with seconds first, seven with the year last, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`. */
  readonly cron?: string
  /** So many ms apart, counted from `startsAt`, or else from when it was stored; 1000..1e12. Clocks that change do not change it. */
  readonly everyMs?: number
  /** Once. When that is past, the catch-up policy decides. */
  readonly at?: Date | string
  /** IANA name of the zone in which `cron` is read. @default 'UTC' */
  readonly timeZone?: string
  /** No tick before. */
  readonly startsAt?: Date | string
  /** No tick after; one at this moment is made. */
  readonly endsAt?: Date | string
}

export interface NewSchedule<Payload = unknown> extends ScheduleTiming {
  /** Its name, unique in the tenant. 1..255 characters, not of the form of a UUID. */
  readonly key: string
  readonly description?: string
  readonly task: ScheduledTask<Payload>
  /** For ticks that are later than `graceMs`, because no process ran. @default 'one' */
  readonly catchUp?: CatchUpPolicy
  /** At most so many ticks are made up for with 'all', the newest; 1..1000. @default 100 */
  readonly catchUpLimit?: number
  /** A tick that is late by no more than this is not missed: it is made under every policy (the newest 1000). 0..86400000. @default 10000 */
  readonly graceMs?: number
  /** Each task runs later than its tick by a part of this that its tick decides. @default 0 */
  readonly jitterMs?: number
  /** False: stored, but paused. @default true; with `set`, as it was */
  readonly enabled?: boolean
}

export interface Schedule {
  readonly id: string
  readonly key: string
  readonly description: string | null
  readonly status: ScheduleStatus
  readonly cron: string | null
  readonly everyMs: number | null
  readonly at: Date | null
  readonly timeZone: string
  /** Intervals are counted from here. */
  readonly anchorAt: Date
  readonly startsAt: Date | null
  readonly endsAt: Date | null
  readonly task: ScheduledTask
  readonly catchUp: CatchUpPolicy
  readonly catchUpLimit: number
  readonly graceMs: number
  readonly jitterMs: number
  readonly enabled: boolean
  /** The next tick; null when paused or finished. */
  readonly nextRunAt: Date | null
  /** The last tick that made a task. */
  readonly lastRunAt: Date | null
  readonly lastTaskId: string | null
  /** Why a tick made no task; null again after one that did. */
  readonly lastError: string | null
  readonly lastErrorAt: Date | null
  /** Ticks that made a task. */
  readonly runCount: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface ScheduleFilter extends PageOptions {
  readonly status?: ScheduleStatus
}
