import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely'
import { CairnError } from '../../errors/index.ts'
import { canonicalJson } from '../../state/index.ts'
import type { DocumentFilter } from './types.ts'

const MAX_CONDITIONS = 100
const MAX_CHOICES = 1000
const ORDER = { $gt: sql`>`, $gte: sql`>=`, $lt: sql`<`, $lte: sql`<=` } as const

/**
 * The filter as conditions on `d.value`. Equality is that of JSON values, a missing field equals nothing; order is that
 * of numbers. INVALID_ARGUMENT for unknown operators and operands that do not fit.
 */
export function filterConditions(filter: DocumentFilter | undefined): Expression<SqlBool>[] {
  const conditions = Object.entries(filter ?? {}).flatMap(([name, wanted]) => ofField(name, wanted))
  if (conditions.length > MAX_CONDITIONS) throw refused('filter', `has ${conditions.length} conditions, more than ${MAX_CONDITIONS}`)
  return conditions
}

function ofField(name: string, wanted: unknown): Expression<SqlBool>[] {
  if (name.includes('\0') || !name.isWellFormed()) throw refused('filter', 'has a name with U+0000 or a lone surrogate')
  const field = fieldOf(name)
  if (wanted === undefined) return [sql<SqlBool>`${field} IS NULL`]
  if (!isOperators(wanted)) return [equals(field, wanted)]
  return Object.entries(wanted).map(([operator, operand]) => condition(field, operator, operand, `filter.${name}.${operator}`))
}

function fieldOf(name: string): RawBuilder<unknown> {
  if (!name.includes('.')) return sql`(d.value -> ${name}::text)`
  return sql`coalesce(d.value -> ${name}::text, d.value #> ${name.split('.')}::text[])`
}

/** An object with a name that begins with $ is made of operators; so is an empty one, which is no condition. */
function isOperators(wanted: unknown): wanted is Record<string, unknown> {
  if (typeof wanted !== 'object' || wanted === null || Array.isArray(wanted)) return false
  const names = Object.keys(wanted)
  return names.length === 0 || names.some((name) => name.startsWith('$'))
}

function condition(field: RawBuilder<unknown>, operator: string, operand: unknown, where: string): Expression<SqlBool> {
  switch (operator) {
    case '$eq':
      return operand === undefined ? sql<SqlBool>`${field} IS NULL` : equals(field, operand)
    case '$ne':
      return operand === undefined ? sql<SqlBool>`${field} IS NOT NULL` : sql<SqlBool>`${field} IS DISTINCT FROM ${canonicalJson(operand)}::jsonb`
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte': {
      if (typeof operand === 'object' && operand !== null) throw refused(where, 'must be a number, or a text that holds one')
      const number = Number(operand)
      return Number.isNaN(number) ? sql<SqlBool>`false` : sql<SqlBool>`documents.as_number(${field}) ${ORDER[operator]} ${number}::float8`
    }
    case '$in':
      return sql<SqlBool>`coalesce(${field} = ANY (${choices(operand, where)}::jsonb[]), false)`
    case '$nin':
      return sql<SqlBool>`NOT coalesce(${field} = ANY (${choices(operand, where)}::jsonb[]), false)`
    case '$exists':
      if (typeof operand !== 'boolean') throw refused(where, 'must be true or false')
      return operand ? sql<SqlBool>`${field} IS NOT NULL` : sql<SqlBool>`${field} IS NULL`
    default:
      throw refused(where, 'is not an operator. Use $eq $ne $gt $gte $lt $lte $in $nin $exists')
  }
}

function equals(field: RawBuilder<unknown>, wanted: unknown): Expression<SqlBool> {
  return sql<SqlBool>`${field} = ${canonicalJson(wanted)}::jsonb`
}

function choices(operand: unknown, where: string): string[] {
  if (!Array.isArray(operand) || operand.length > MAX_CHOICES) throw refused(where, `must be an array of up to ${MAX_CHOICES} values`)
  return operand.map((each) => canonicalJson(each))
}

function refused(field: string, why: string): CairnError {
  return new CairnError('INVALID_ARGUMENT', `${field}: ${why}.`, { details: { field } })
}
