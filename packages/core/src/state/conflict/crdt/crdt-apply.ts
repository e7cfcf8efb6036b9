import { CairnError } from '../../../errors/index.ts'
import { canonicalJson } from '../../canonical-json.ts'
import { type Hlc, HLC_ZERO, compareHlc } from '../hlc.ts'
import { checkNode } from './crdt-check.ts'
import { mergeNodes } from './crdt-merge.ts'
import type { CrdtNode, CrdtOperation, CrdtType, MapNode, RemovedNode, SetNode } from './crdt-types.ts'
import { counterValue, isPlainObject, nodeFrom, removed } from './crdt-value.ts'
import { getOwn, record } from './record.ts'

/** Removed entries that a map remembers; beyond, the oldest removals are forgotten. */
export const MAX_TOMBSTONES = 256

const NAMES = { r: 'a register', c: 'a counter', s: 'a set', m: 'a map', x: 'nothing' } as const

export interface ApplyContext {
  /** When the operation was made. */
  readonly at: Hlc
  /** Who applies it; the operations of one replica are applied one after the other. */
  readonly replica: string
  /** Type of the value itself, by the policy. */
  readonly type: CrdtType | undefined
  /** The operation was acknowledged elsewhere and cannot be refused any more: a value of another type gives way if it is older. */
  readonly forced: boolean
}

/** The state after an operation. INVALID_ARGUMENT when the value at the path is of another type or a counter would overflow. */
export function applyOperation(node: CrdtNode | undefined, operation: CrdtOperation, context: ApplyContext): CrdtNode {
  const now = node ?? removed(HLC_ZERO)
  if (operation.type === 'merge') return mergeNodes(now, checkNode(operation.state))
  return at(now, operation.path ?? [], 0, context, (target, type) => change(target, operation, type, context))
}

/** Follows the path through maps, making those that are missing, unless nothing changes in the end. */
function at(node: CrdtNode, path: readonly string[], depth: number, context: ApplyContext, apply: (target: CrdtNode, type: CrdtType | undefined) => CrdtNode): CrdtNode {
  const name = path[depth]
  if (name === undefined) return apply(node, depth === 0 ? context.type : undefined)
  const map = depth === 0 && context.type !== undefined && context.type !== 'map' ? refuse(path.slice(0, depth), context.type) : asMap(node, path.slice(0, depth), context)
  if (map === undefined) return node
  const before = getOwn(map.e, name) ?? removed(HLC_ZERO)
  const after = at(before, path, depth + 1, context, apply)
  if (after === before) return node
  const entries = record(map.e)
  entries[name] = after
  return { t: 'm', g: map.g, e: after.t === 'x' ? compacted(entries) : entries }
}

function change(node: CrdtNode, operation: Exclude<CrdtOperation, { type: 'merge' }>, type: CrdtType | undefined, context: ApplyContext): CrdtNode {
  const path = operation.path ?? []
  switch (operation.type) {
    case 'increment': {
      const counter = typed(node, 'c', 'counter', type, path, context, (g) => ({ t: 'c', g, p: record<number>(), n: record<number>() }))
      if (counter === undefined) return node
      const side = operation.by >= 0 ? 'p' : 'n'
      const counts = record(counter[side])
      counts[context.replica] = (counts[context.replica] ?? 0) + Math.abs(operation.by)
      const after = { ...counter, [side]: counts }
      if (!Number.isSafeInteger(counts[context.replica]) || !Number.isSafeInteger(counterValue(after))) {
        throw new CairnError('INVALID_ARGUMENT', `by: ${operation.by} takes the counter beyond ±(2^53 − 1).`, { details: { field: 'by' } })
      }
      return after
    }
    case 'add': {
      const set = typed(node, 's', 'set', type, path, context, emptySet)
      if (set === undefined) return node
      const number = (getOwn(set.vv, context.replica) ?? 0) + 1
      const elements = record(set.e)
      elements[canonicalJson(operation.value)] = [[context.replica, number]]
      return { ...set, vv: record({ ...set.vv, [context.replica]: number }), e: elements }
    }
    case 'remove': {
      if (node.t === 'x') return node
      const set = typed(node, 's', 'set', type, path, context, emptySet)
      if (set === undefined) return node
      const elements = record(set.e)
      delete elements[canonicalJson(operation.value)]
      return { ...set, e: elements }
    }
    case 'assign':
      return mergeNodes(node, nodeFrom(operation.value, context.at, operation.as ?? type))
    case 'unset':
      return node.t === 'x' && path.length > 0 ? node : mergeNodes(node, removed(context.at))
    case 'patch': {
      const map = type === undefined || type === 'map' ? asMap(node, path, context) : refuse(path, type)
      return map === undefined ? node : patched(map, operation.value, path, context)
    }
  }
}

function patched(map: MapNode, value: Readonly<Record<string, unknown>>, path: readonly string[], context: ApplyContext): MapNode {
  const entries = record(map.e)
  for (const [name, inner] of Object.entries(value)) {
    const before = entries[name] ?? removed(HLC_ZERO)
    entries[name] = isPlainObject(inner) && (before.t === 'x' || before.t === 'm')
      ? patched(asMap(before, [...path, name], context) as MapNode, inner, [...path, name], context)
      : mergeNodes(before, nodeFrom(inner, context.at))
  }
  return { ...map, e: entries }
}

function asMap(node: CrdtNode, path: readonly string[], context: ApplyContext): MapNode | undefined {
  return typed(node, 'm', 'map', undefined, path, context, (g) => ({ t: 'm', g, e: record<CrdtNode>() }))
}

function emptySet(g: Hlc): SetNode {
  return { t: 's', g, vv: record<number>(), e: record<SetNode['e'][string]>() }
}

/** The node as the type the operation needs. What is made from nothing joins the generation of its tombstone, so that two who make it at once merge. */
function typed<T extends Exclude<CrdtNode, RemovedNode>['t'], N extends Extract<CrdtNode, { t: T }>>(
  node: CrdtNode, wanted: T, name: CrdtType, type: CrdtType | undefined, path: readonly string[], context: ApplyContext, make: (g: Hlc) => N,
): N | undefined {
  if (type !== undefined && type !== name) refuse(path, type)
  if (node.t === wanted) return node as N
  if (node.t === 'x') return make(node.g)
  if (!context.forced) {
    throw new CairnError('INVALID_ARGUMENT', `${where(path)}: it holds ${NAMES[node.t]}, and the operation needs ${NAMES[wanted]}. Assign a value of that kind first.`, { details: { field: 'path', path } })
  }
  return compareHlc(context.at, node.g) > 0 ? make(context.at) : undefined
}

function refuse(path: readonly string[], type: CrdtType): never {
  throw new CairnError('INVALID_ARGUMENT', `${where(path)}: by its policy this key is a ${type}, which does not take this operation.`, { details: { field: 'type', type } })
}

function where(path: readonly string[]): string {
  return path.length === 0 ? 'path' : `path ${JSON.stringify(path)}`
}

function compacted(entries: Record<string, CrdtNode>): Record<string, CrdtNode> {
  const tombstones = Object.entries(entries).filter(([, node]) => node.t === 'x')
  if (tombstones.length <= MAX_TOMBSTONES) return entries
  tombstones.sort(([, a], [, b]) => compareHlc(a.g, b.g))
  for (const [name] of tombstones.slice(0, tombstones.length - MAX_TOMBSTONES)) delete entries[name]
  return entries
}
