import { CairnError } from '../../errors/index.ts'

const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\', '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\v': '\\v',
}
// The first test is a scan without allocation, and most values pass it.
const NEEDS_ESCAPE = /[\\\b\f\n\r\t\v]/
const ESCAPE_ALL = /[\\\b\f\n\r\t\v]/g

/** One line of COPY's text format, with its line end. Throws INVALID_ARGUMENT when the row has another number of values. */
export function copyLine(row: readonly unknown[], columns: number, index: number): string {
  if (!Array.isArray(row) || row.length !== columns) {
    const found = Array.isArray(row) ? `${row.length} values` : typeof row
    throw new CairnError('INVALID_ARGUMENT', `copyIn: row ${index} has ${found}, but ${columns} columns are named.`, { details: { row: index } })
  }
  let line = ''
  for (let i = 0; i < columns; i += 1) {
    if (i > 0) line += '\t'
    const value = sqlText(row[i])
    if (value === null) line += '\\N'
    else line += NEEDS_ESCAPE.test(value) ? value.replace(ESCAPE_ALL, (char) => ESCAPES[char] ?? char) : value
  }
  return `${line}\n`
}

/** The text form that PostgreSQL reads for a value; null for SQL's NULL. */
function sqlText(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return value ? 't' : 'f'
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (value instanceof Date) return timestampText(value)
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`
  if (Array.isArray(value)) return `{${value.map(arrayElement).join(',')}}`
  if (typeof value === 'object') return JSON.stringify(value)
  throw new CairnError('INVALID_ARGUMENT', `copyIn: a ${typeof value} cannot be stored. Use text, numbers, booleans, Date, Uint8Array or arrays of these.`)
}

function arrayElement(value: unknown): string {
  if (Array.isArray(value)) return `{${value.map(arrayElement).join(',')}}`
  const text = sqlText(value)
  return text === null ? 'NULL' : `"${text.replace(/["\\]/g, '\\$&')}"`
}

function timestampText(value: Date): string {
  if (Number.isNaN(value.getTime())) throw new CairnError('INVALID_ARGUMENT', 'copyIn: an invalid Date cannot be stored.')
  const year = value.getUTCFullYear()
  // ISO 8601 writes years outside 1 to 9999 with a sign, which PostgreSQL does not read.
  if (year >= 1 && year <= 9999) return value.toISOString()
  const rest = value.toISOString().slice(7)
  return year < 1 ? `${String(1 - year).padStart(4, '0')}${rest} BC` : `${year}${rest}`
}
