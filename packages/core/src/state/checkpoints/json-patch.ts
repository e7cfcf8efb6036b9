/** An operation of RFC 6902; `path` is a JSON Pointer. */
export type PatchOperation = { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown } | { readonly op: 'remove'; readonly path: string }

/**
 * Operations that turn `before` into `after`, applied in order. Objects are compared by property, arrays by what they have
 * in common at the beginning and at the end; the middle is compared place by place.
 */
export function jsonPatch(before: unknown, after: unknown): PatchOperation[] {
  const operations: PatchOperation[] = []
  compare(before, after, '', operations)
  return operations
}

function compare(before: unknown, after: unknown, path: string, operations: PatchOperation[]): void {
  if (Array.isArray(before) && Array.isArray(after)) compareArrays(before, after, path, operations)
  else if (isObject(before) && isObject(after)) compareObjects(before, after, path, operations)
  else if (!same(before, after)) operations.push({ op: 'replace', path, value: after })
}

function compareObjects(before: Record<string, unknown>, after: Record<string, unknown>, path: string, operations: PatchOperation[]): void {
  for (const name of Object.keys(before)) {
    const place = `${path}/${escaped(name)}`
    if (Object.hasOwn(after, name)) compare(before[name], after[name], place, operations)
    else operations.push({ op: 'remove', path: place })
  }
  for (const name of Object.keys(after)) if (!Object.hasOwn(before, name)) operations.push({ op: 'add', path: `${path}/${escaped(name)}`, value: after[name] })
}

function compareArrays(before: readonly unknown[], after: readonly unknown[], path: string, operations: PatchOperation[]): void {
  const shorter = Math.min(before.length, after.length)
  let start = 0
  while (start < shorter && same(before[start], after[start])) start++
  let end = 0
  while (end < shorter - start && same(before[before.length - 1 - end], after[after.length - 1 - end])) end++
  const both = shorter - end
  for (let index = start; index < both; index++) compare(before[index], after[index], `${path}/${index}`, operations)
  // From the back, so that the places before stay where they are.
  for (let index = before.length - end - 1; index >= both; index--) operations.push({ op: 'remove', path: `${path}/${index}` })
  for (let index = both; index < after.length - end; index++) operations.push({ op: 'add', path: `${path}/${index}`, value: after[index] })
}

/** Both come from JSON with sorted keys, so that equal values have equal texts. */
function same(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}
