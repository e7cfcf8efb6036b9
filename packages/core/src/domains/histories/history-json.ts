import { CairnError } from '../../errors/index.ts'

/** Deeper values are refused: PostgreSQL's own JSON parser runs out of stack on them. */
const MAX_DEPTH = 500

/**
 * JSON text with the keys of every object in code-unit order: equal values have equal texts, which the database compares.
 * Unlike the JSON of state it may hold any string, U+0000 and lone surrogates too, as escapes: the output of a tool is
 * kept as it is. Properties that are undefined are left out, as JSON.stringify does.
 *
 * SERIALIZATION_ERROR with the path for functions, symbols, bigint, NaN, Infinity, undefined elsewhere, class instances
 * without toJSON, cycles, more than 500 levels.
 */
export function historyJson(value: unknown, field: string): string {
  return JSON.stringify(plain(value, field, '', []))
}

function plain(input: unknown, path: string, key: string, ancestors: object[]): unknown {
  const value = hasToJson(input) ? input.toJSON(key) : input
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) refuse(path, `${value} is not a JSON number`)
    return value
  }
  if (typeof value !== 'object') refuse(path, `${typeof value} is not JSON`)
  if (ancestors.length >= MAX_DEPTH) refuse(path.slice(0, 200), `more than ${MAX_DEPTH} levels deep`)
  if (ancestors.includes(value)) refuse(path, 'it contains itself')
  ancestors.push(value)
  const copy = Array.isArray(value)
    ? Array.from(value, (element: unknown, index) => plain(element, `${path}[${index}]`, String(index), ancestors))
    : plainObject(value as Record<string, unknown>, path, ancestors)
  ancestors.pop()
  return copy
}

function plainObject(value: Record<string, unknown>, path: string, ancestors: object[]): object {
  const prototype: unknown = Object.getPrototypeOf(value)
  // An object from another realm has a foreign Object.prototype whose own prototype is null.
  if (prototype !== Object.prototype && prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    const name = (value as { constructor?: { name?: string } }).constructor?.name ?? 'object'
    refuse(path, `a ${name} is not JSON; turn it into a plain object or array`)
  }
  // Names such as 0 and 1 come first in every object, whatever the order of insertion: that order is the same each time too.
  // Without a prototype, __proto__ is a name like any other.
  const copy = Object.create(null) as Record<string, unknown>
  for (const name of Object.keys(value).sort()) {
    if (value[name] !== undefined) copy[name] = plain(value[name], `${path}.${name}`, name, ancestors)
  }
  return copy
}

function hasToJson(value: unknown): value is { toJSON(key: string): unknown } {
  return typeof value === 'object' && value !== null && typeof (value as { toJSON?: unknown }).toJSON === 'function'
}

function refuse(path: string, why: string): never {
  throw new CairnError('SERIALIZATION_ERROR', `${path}: cannot be stored: ${why}. Pass plain JSON.`, { details: { path } })
}
