import type { MemoryOptions, MemoryRetentionPolicy } from '../../options/index.ts'
import { retentionPolicy } from './retention-policy.ts'

/** What the services of memory are made with. */
export interface MemorySettings {
  readonly retainEveryMs: number | undefined
  readonly retention: MemoryRetentionPolicy
}

export function memorySettings(options: MemoryOptions | undefined): MemorySettings {
  return { retainEveryMs: options?.retainEveryMs, retention: retentionPolicy(options?.retention) }
}
