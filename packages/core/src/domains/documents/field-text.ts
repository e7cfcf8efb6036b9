import type { DocumentValue } from './types.ts'

/** Text search takes so many characters of a document; a tsvector may not have more than 1 MiB. */
const MAX_SEARCH_TEXT = 200_000

/** One text to embed: the `part`-th that was found at `field`. */
export interface FieldText {
  readonly field: string
  readonly part: number
  readonly text: string
}

/** The texts at each field, in order. Objects and arrays become JSON, so that `$` is the whole document as one text. */
export function fieldTexts(value: DocumentValue, fields: readonly string[]): FieldText[] {
  return fields.flatMap((field) =>
    nodesAt(value, field)
      .filter((node) => node !== null && node !== undefined)
      .map((node, part) => ({ field, part, text: typeof node === 'object' ? JSON.stringify(node, null, 2) : String(node as string | number | boolean) })),
  )
}

/** What text search finds the document by: texts and numbers at the fields, without the names of fields. */
export function searchText(value: DocumentValue, fields: readonly string[]): string {
  const words: string[] = []
  for (const field of fields) for (const node of nodesAt(value, field)) collect(node, words)
  return words.join('\n').slice(0, MAX_SEARCH_TEXT).toWellFormed()
}

function collect(node: unknown, words: string[]): void {
  if (typeof node === 'string' || typeof node === 'number') words.push(String(node))
  else if (typeof node === 'object' && node !== null) for (const child of Object.values(node)) collect(child, words)
}

function nodesAt(value: DocumentValue, field: string): unknown[] {
  if (field === '' || field === '$') return [value]
  return tokens(field).reduce<unknown[]>((nodes, token) => nodes.flatMap((node) => step(node, token)), [value])
}

/** `a.b[0].{c,d.e}` becomes `a`, `b`, `[0]`, `{c,d.e}`. */
function tokens(field: string): string[] {
  return field.match(/\[[^\]]*\]|\{[^}]*\}|[^.[{]+/g) ?? []
}

function step(node: unknown, token: string): unknown[] {
  if (typeof node !== 'object' || node === null) return []
  if (token === '*') return Object.values(node)
  if (token.startsWith('[')) {
    if (!Array.isArray(node)) return []
    const index = token.slice(1, -1)
    if (index === '*') return node
    const item: unknown = node.at(Number.parseInt(index, 10))
    return item === undefined ? [] : [item]
  }
  if (token.startsWith('{')) {
    const names = token.slice(1, -1).split(',').map((name) => name.trim()).filter((name) => name !== '')
    return names.flatMap((name) => tokens(name).reduce<unknown[]>((nodes, part) => nodes.flatMap((each) => property(each, part)), [node]))
  }
  return property(node, token)
}

function property(node: unknown, name: string): unknown[] {
  return typeof node === 'object' && node !== null && Object.hasOwn(node, name) ? [(node as DocumentValue)[name]] : []
}
