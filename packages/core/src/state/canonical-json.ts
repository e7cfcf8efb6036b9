import { CairnError } from '../errors/index.ts'

/** Deeper values are refused: PostgreSQL's own JSON parser runs out of stack on them. */
const MAX_DEPTH = 500

/**
 * JSON text with the keys of every object in code-unit order, so that one value has one text and one checksum
 * in every tier (jsonb gives keys back in an order of its own).
 *
 * SERIALIZATION_ERROR with the path for what JSON or jsonb cannot hold: functions, symbols, bigint, NaN and
 * Infinity, undefined (as the value or in an array; as a property it is left out, as JSON.stringify does), Map, Set and
 * other class instances without toJSON, cycles, U+0000, lone surrogates, more than 500 levels.
 */
export function canonicalJson(value: unknown): string {
  return write(value, 0, [], '')
}

function write(input: unknown, depth: number, ancestors: object[], key: string): string {
  const value = hasToJson(input) ? input.toJSON(key) : input
  switch (typeof value) {
    case 'string':
      return writeString(value, ancestors, key)
    case 'number':
      if (!Number.isFinite(value)) refuse(`${value} is not a JSON number`, ancestors, key)
      return String(Object.is(value, -0) ? 0 : value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      break
    default:
      refuse(`${typeof value} is not JSON`, ancestors, key)
  }
  if (value === null) return 'null'
  if (depth >= MAX_DEPTH) refuse(`more than ${MAX_DEPTH} levels deep`, [], '')
  if (ancestors.includes(value)) refuse('it contains itself', ancestors, key)
  ancestors.push(value)
  const text = Array.isArray(value) ? writeArray(value, depth, ancestors) : writeObject(value as Record<string, unknown>, depth, ancestors, key)
  ancestors.pop()
  return text
}

function writeArray(value: unknown[], depth: number, ancestors: object[]): string {
  let text = '['
  for (let index = 0; index < value.length; index++) {
    if (index > 0) text += ','
    text += write(value[index], depth + 1, ancestors, String(index))
  }
  return `${text}]`
}

function writeObject(value: Record<string, unknown>, depth: number, ancestors: object[], key: string): string {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    const name = (value as { constructor?: { name?: string } }).constructor?.name ?? 'object'
    // An object from another realm (a vm context, a test runner) has a foreign Object.prototype whose own prototype is null.
    if (Object.getPrototypeOf(prototype) !== null) refuse(`a ${name} is not JSON; turn it into a plain object or array`, ancestors.slice(0, -1), key)
  }
  const names = Object.keys(value)
  if (!isSorted(names)) names.sort()
  let text = '{'
  for (const name of names) {
    const property = value[name]
    if (property === undefined) continue
    if (text.length > 1) text += ','
    text += `${writeString(name, ancestors, name)}:${write(property, depth + 1, ancestors, name)}`
  }
  return `${text}}`
}

function writeString(value: string, ancestors: object[], key: string): string {
  if (value.includes('\u0000')) refuse('U+0000 cannot be stored in PostgreSQL', ancestors, key)
  if (!value.isWellFormed()) refuse('a lone surrogate is not Unicode text', ancestors, key)
  return JSON.stringify(value)
}

function hasToJson(value: unknown): value is { toJSON(key: string): unknown } {
  return typeof value === 'object' && value !== null && typeof (value as { toJSON?: unknown }).toJSON === 'function'
}

function isSorted(names: readonly string[]): boolean {
  for (let index = 1; index < names.length; index++) {
    if ((names[index - 1] as string) > (names[index] as string)) return false
  }
  return true
}

function refuse(why: string, ancestors: readonly object[], key: string): never {
  const path = pathOf(ancestors, key)
  throw new CairnError('SERIALIZATION_ERROR', `The value cannot be stored: at ${path}, ${why}.`, { details: { path } })
}

function pathOf(ancestors: readonly object[], key: string): string {
  if (ancestors.length === 0) return '$'
  const parts: string[] = []
  for (let index = 0; index < ancestors.length - 1; index++) {
    const parent = ancestors[index] as Record<string, unknown>
    const child = ancestors[index + 1]
    parts.push(Object.keys(parent).find((name) => parent[name] === child) ?? '?')
  }
  return ['$', ...parts, key].join('.')
}
