import { CairnError } from '../../../errors/index.ts'
import { canonicalJson } from '../../canonical-json.ts'
import { MAX_SKEW_MS, isHlc } from '../hlc.ts'
import { CRDT_TYPES, type CrdtNode, type CrdtOperation } from './crdt-types.ts'
import { isPlainObject } from './crdt-value.ts'
import { getOwn } from './record.ts'

const MAX_DEPTH = 100
const KINDS = ['increment', 'add', 'remove', 'assign', 'patch', 'unset', 'merge']

/** The operation, checked and with values as JSON holds them. INVALID_ARGUMENT, SERIALIZATION_ERROR. */
export function checkOperation(given: CrdtOperation): CrdtOperation {
  if (!isPlainObject(given) || !KINDS.includes(given.type)) bad('operation', `its type must be one of ${KINDS.join(', ')}`)
  const operation = JSON.parse(canonicalJson({ ...given })) as CrdtOperation
  if (operation.type === 'merge') return { type: 'merge', state: checkTimes(checkNode(operation.state), Date.now() + MAX_SKEW_MS) }
  const { path } = operation
  if (path !== undefined && !(Array.isArray(path) && path.length <= MAX_DEPTH && path.every((name) => typeof name === 'string'))) {
    bad('path', `it must be a list of names, ${MAX_DEPTH} at most`)
  }
  if (operation.type === 'increment') {
    if (!Number.isSafeInteger(operation.by)) bad('by', 'it must be a whole number')
  } else if (operation.type !== 'unset' && operation.value === undefined) {
    bad('value', 'it is missing')
  }
  if (operation.type === 'patch' && !isPlainObject(operation.value)) bad('value', 'a patch must be an object')
  if (operation.type === 'assign' && operation.as !== undefined && !CRDT_TYPES.includes(operation.as)) bad('as', `it must be one of ${CRDT_TYPES.join(', ')}`)
  return operation
}

/** A state from outside; INVALID_ARGUMENT with the place that is wrong. */
export function checkNode(value: unknown, place = 'state', depth = 0): CrdtNode {
  if (!isPlainObject(value)) bad(place, 'it must be an object')
  if (depth > MAX_DEPTH) bad(place, `it is more than ${MAX_DEPTH} levels deep`)
  if (!isHlc(value['g'])) bad(`${place}.g`, 'it must be [milliseconds, counter, node]')
  switch (value['t']) {
    case 'x':
      break
    case 'r':
      if (value['v'] === undefined) bad(`${place}.v`, 'it is missing')
      canonicalJson(value['v'])
      break
    case 'c':
      checkCounts(value['p'], `${place}.p`)
      checkCounts(value['n'], `${place}.n`)
      break
    case 's':
      checkCounts(value['vv'], `${place}.vv`)
      checkElements(value['e'], value['vv'] as Record<string, number>, `${place}.e`)
      break
    case 'm':
      if (!isPlainObject(value['e'])) bad(`${place}.e`, 'it must be an object')
      for (const [name, inner] of Object.entries(value['e'])) checkNode(inner, `${place}.e[${JSON.stringify(name)}]`, depth + 1)
      break
    default:
      bad(`${place}.t`, 'it must be x, r, c, s or m')
  }
  return value as unknown as CrdtNode
}

/** A part with a time far ahead could never be replaced again. */
function checkTimes(node: CrdtNode, latest: number, place = 'state'): CrdtNode {
  if (node.g[0] > latest) bad(`${place}.g`, `it is more than ${MAX_SKEW_MS / 1000} s ahead of the clock of this machine`)
  if (node.t === 'm') for (const [name, inner] of Object.entries(node.e)) checkTimes(inner, latest, `${place}.e[${JSON.stringify(name)}]`)
  return node
}

function checkCounts(value: unknown, place: string): void {
  if (!isPlainObject(value) || !Object.values(value).every((n) => Number.isSafeInteger(n) && (n as number) >= 0)) bad(place, 'it must map replicas to whole numbers')
}

function checkElements(value: unknown, seen: Record<string, number>, place: string): void {
  if (!isPlainObject(value)) bad(place, 'it must be an object')
  for (const [text, dots] of Object.entries(value)) {
    const isDots = Array.isArray(dots) && dots.length > 0 && dots.every((dot) => Array.isArray(dot) && dot.length === 2 && typeof dot[0] === 'string' && Number.isSafeInteger(dot[1]) && dot[1] > 0 && dot[1] <= (getOwn(seen, dot[0]) ?? 0))
    if (!isDots || !isCanonical(text)) bad(`${place}[${JSON.stringify(text)}]`, 'it must be canonical JSON with a list of additions that vv covers')
  }
}

function isCanonical(text: string): boolean {
  try {
    return canonicalJson(JSON.parse(text)) === text
  } catch {
    return false
  }
}

function bad(field: string, why: string): never {
  throw new CairnError('INVALID_ARGUMENT', `${field}: this is not a CRDT operation or state: ${why}.`, { details: { field } })
}
