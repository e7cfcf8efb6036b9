import { createHash } from 'node:crypto'
import { CairnError } from '../../errors/index.ts'
import { historyJson } from './history-json.ts'
import type { HistoryName } from './types.ts'

/** Longest key, namespace or operation id, in characters. */
export const MAX_NAME_LENGTH = 255
/** Most items of one change. */
export const MAX_CHANGE_ITEMS = 10_000
/** Largest item, and all items of one change together, in bytes of UTF-8. */
export const MAX_ITEM_BYTES = 16 * 1_048_576
export const MAX_CHANGE_BYTES = 64 * 1_048_576

const EMPTY = '[]'

/** Namespace and key as the database has them. */
export type CheckedName = readonly [namespace: string, key: string]

export function invalid(field: string, problem: string): CairnError {
  return new CairnError('INVALID_ARGUMENT', `${field}: ${problem}.`, { details: { field } })
}

export function checkName(name: HistoryName): CheckedName {
  if (typeof name === 'string') return ['', checkText('history', name)]
  if (typeof name !== 'object' || name === null) throw invalid('history', 'is neither a key nor { key, namespace }')
  return [checkNamespace(name.namespace) ?? '', checkText('history.key', name.key)]
}

export function checkNamespace(namespace: string | undefined): string | undefined {
  return namespace === undefined || namespace === '' ? namespace : checkText('namespace', namespace)
}

export function checkOperation(operationId: string | undefined): string | null {
  return operationId === undefined ? null : checkText('operationId', operationId)
}

function checkText(field: string, value: unknown): string {
  if (typeof value !== 'string') throw invalid(field, 'is not text')
  if (value === '') throw invalid(field, 'is empty')
  if (value.length > MAX_NAME_LENGTH) throw invalid(field, `${value.length} characters is more than the limit of ${MAX_NAME_LENGTH}`)
  return checkStorable(field, value)
}

/** Text that PostgreSQL can store unchanged. */
export function checkStorable(field: string, value: unknown): string {
  if (typeof value !== 'string') throw invalid(field, 'is not text')
  if (value.includes('\0')) throw invalid(field, 'has U+0000, which PostgreSQL cannot store')
  if (!value.isWellFormed()) throw invalid(field, 'has a lone surrogate, which is not valid Unicode')
  return value
}

export function checkWhole(field: string, value: unknown, min: number, max = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) throw invalid(field, `${String(value)} is not a whole number from ${min} to ${max}`)
  return value as number
}

/** INVALID_ARGUMENT unless it is an array, PAYLOAD_TOO_LARGE when it is longer than a change may be. */
export function checkCount(field: string, items: readonly unknown[]): void {
  if (!Array.isArray(items)) throw invalid(field, 'is not an array of items')
  if (items.length <= MAX_CHANGE_ITEMS) return
  throw new CairnError('PAYLOAD_TOO_LARGE', `${field}: ${items.length} items is more than the limit of ${MAX_CHANGE_ITEMS}. Send them in several calls.`, {
    details: { field, items: items.length, limit: MAX_CHANGE_ITEMS },
  })
}

/** The items as the text of one JSON array. @throws INVALID_ARGUMENT, SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE */
export function itemsJson(field: string, items: readonly unknown[]): string {
  checkCount(field, items)
  if (items.length === 0) return EMPTY
  const texts = items.map((item, index) => {
    const text = historyJson(item, `${field}[${index}]`)
    checkBytes(`${field}[${index}]`, text, MAX_ITEM_BYTES)
    return text
  })
  const json = `[${texts.join(',')}]`
  checkBytes(field, json, MAX_CHANGE_BYTES)
  return json
}

function checkBytes(field: string, text: string, limit: number): void {
  // A character has at most three bytes per UTF-16 unit: short texts need no counting.
  if (text.length * 3 <= limit) return
  const bytes = Buffer.byteLength(text)
  if (bytes > limit) {
    throw new CairnError('PAYLOAD_TOO_LARGE', `${field}: ${bytes} bytes is more than the limit of ${limit}. Split it, or store it elsewhere and keep a reference.`, {
      details: { field, bytes, limit },
    })
  }
}

/** What tells a repeated change from another one under the same operation id. */
export function digestOf(kind: string, ...parts: readonly string[]): Uint8Array {
  const hash = createHash('sha256').update(kind)
  for (const part of parts) hash.update('\n').update(part)
  return new Uint8Array(hash.digest())
}
