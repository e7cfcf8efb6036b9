import { CairnError } from '../../errors/index.ts'
import type { DataType } from './data-storage.ts'

export function missing(type: DataType, key: string): CairnError {
  return new CairnError('NOT_FOUND', `${type}: nothing is stored under ${JSON.stringify(key)}.`, { details: { type, key } })
}

export function expired(type: DataType, key: string, expiresAt: Date): CairnError {
  return new CairnError('TTL_EXPIRED', `${type}: what was stored under ${JSON.stringify(key)} expired at ${expiresAt.toISOString()}. Store it again, with a longer ttlMs.`, { details: { type, key, expiresAt: expiresAt.toISOString() } })
}

export function conflict(type: DataType, key: string, expected: number, current: number): CairnError {
  return new CairnError('VERSION_CONFLICT', `${type}: ${JSON.stringify(key)} is at version ${current}, not ${expected}. Read it again and repeat the change.`, { details: { type, key, expectedVersion: expected, currentVersion: current } })
}
