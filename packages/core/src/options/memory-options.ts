/** Days of each retention priority; null: no end. */
export interface PriorityDays {
  readonly low: number | null
  readonly normal: number | null
  readonly high: number | null
}

/** When retention archives and deletes. Whatever is permanent stays as it is. */
export interface MemoryRetentionPolicy {
  /**
   * A memory that was neither made, changed nor remembered again for so long goes to the archive: these days × (0.5 + importance).
   * @default { low: 30, normal: 180, high: 730 }
   */
  readonly lifetimeDays: PriorityDays
  /** From this importance on nothing is archived for its age; 0..1. @default 0.9 */
  readonly keepImportance: number
  /** An archived memory is deleted after so many days; what was superseded or consolidated is not. @default { low: 30, normal: 365, high: null } */
  readonly archiveDays: PriorityDays
}

export type GivenRetentionPolicy = { readonly [Key in keyof MemoryRetentionPolicy]?: MemoryRetentionPolicy[Key] extends number ? number : Partial<PriorityDays> }

/** What retention of memories does by itself; see `open({ memory })`. */
export interface MemoryOptions {
  /** How often retention passes over each tenant's memories, in one process of the database; 1000 ms to 365 days. @default never */
  readonly retainEveryMs?: number
  /** Over the defaults. */
  readonly retention?: GivenRetentionPolicy
}
