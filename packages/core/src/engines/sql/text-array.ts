/** As `textArray`, of values whose text needs no quotes: uuids, numbers, booleans, null. */
export function plainArray(values: readonly (string | number | boolean | null)[]): string {
  let text = '{'
  for (let index = 0; index < values.length; index++) text += index === 0 ? String(values[index] ?? 'NULL') : `,${String(values[index] ?? 'NULL')}`
  return `${text}}`
}

/** `values` as an array of PostgreSQL in its text form. The driver makes one of an array too, at four times the cost for thousands of elements. */
export function textArray(values: readonly string[]): string {
  if (values.length === 0) return '{}'
  let text = '{'
  for (const value of values) text += `"${/["\\]/.test(value) ? value.replace(/["\\]/g, '\\$&') : value}",`
  return `${text.slice(0, -1)}}`
}
