import { CairnError } from '../../errors/index.ts'
import { jsonText } from '../../checks/index.ts'
import type { FilterTest, MessageFilter } from './types.ts'

const OPERATORS = new Set(['eq', 'ne', 'in', 'gt', 'gte', 'lt', 'lte', 'prefix', 'exists'])
const MAX_CONDITIONS = 50

interface Condition {
  readonly path: readonly string[]
  readonly op: string
  readonly value: unknown
}

/** The filter as the database's `messages.matches` reads it. INVALID_ARGUMENT for what is no filter. */
export function filterConditions(filter: MessageFilter | undefined, field = 'filter'): readonly Condition[] {
  if (filter === undefined) return []
  if (!isObject(filter)) throw invalid(field, 'must be an object of conditions')
  const conditions = Object.entries(filter).flatMap(([part, tests]) => {
    if (part !== 'headers' && part !== 'payload') throw invalid(`${field}.${part}`, 'is not a known field; use headers and payload')
    if (!isObject(tests)) throw invalid(`${field}.${part}`, 'must be an object of conditions by path')
    return Object.entries(tests as Record<string, FilterTest>).flatMap(([path, test]) => {
      const name = `${field}.${part}.${path}`
      const steps = part === 'headers' ? [part, path] : [part, ...path.split('.')]
      if (steps.some((step) => step === '')) throw invalid(name, 'has an empty step in its path')
      if (!isObject(test)) {
        if (Array.isArray(test)) throw invalid(name, 'is a list; use { in: [...] } or { eq: [...] }')
        return [{ path: steps, op: 'eq', value: test }]
      }
      return Object.entries(test).map(([op, value]) => ({ path: steps, op, value: checkOperand(`${name}.${op}`, op, value) }))
    })
  })
  if (conditions.length > MAX_CONDITIONS) throw invalid(field, `has ${conditions.length} conditions; the limit is ${MAX_CONDITIONS}`)
  jsonText(field, conditions)
  return conditions
}

function checkOperand(name: string, op: string, value: unknown): unknown {
  if (!OPERATORS.has(op)) throw invalid(name, `is not an operator; use one of ${[...OPERATORS].join(', ')}`)
  if (value === undefined) throw invalid(name, 'has no value')
  if (op === 'in' && !Array.isArray(value)) throw invalid(name, 'must be a list')
  if (op === 'exists' && typeof value !== 'boolean') throw invalid(name, 'must be true or false')
  if (op === 'prefix' && typeof value !== 'string') throw invalid(name, 'must be a text')
  if (/^[gl]te?$/.test(op) && typeof value !== 'string' && (typeof value !== 'number' || !Number.isFinite(value))) throw invalid(name, 'must be a number or a text')
  return value
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(field: string, problem: string): CairnError {
  return new CairnError('INVALID_ARGUMENT', `${field}: ${problem}.`, { details: { field } })
}
