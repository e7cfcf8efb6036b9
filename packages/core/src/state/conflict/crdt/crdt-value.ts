import { CairnError } from '../../../errors/index.ts'
import { canonicalJson } from '../../canonical-json.ts'
import type { Hlc } from '../hlc.ts'
import type { CounterNode, CrdtNode, CrdtType, Dot, RemovedNode } from './crdt-types.ts'
import { record } from './record.ts'

/** The plain value; undefined for a tombstone. Sets are arrays in the order of their elements' canonical JSON. */
export function valueOf(node: CrdtNode): unknown {
  switch (node.t) {
    case 'x':
      return undefined
    case 'r':
      return node.v
    case 'c':
      return counterValue(node)
    case 's':
      return Object.keys(node.e).sort().map((text) => JSON.parse(text) as unknown)
    case 'm': {
      const value = record<unknown>()
      for (const [name, child] of Object.entries(node.e)) {
        const inner = valueOf(child)
        if (inner !== undefined) value[name] = inner
      }
      return value
    }
  }
}

export function counterValue(node: CounterNode): number {
  let sum = 0
  for (const n of Object.values(node.p)) sum += n
  for (const n of Object.values(node.n)) sum -= n
  return sum
}

export function removed(g: Hlc): RemovedNode {
  return { t: 'x', g }
}

/** A value as a generation of its own. INVALID_ARGUMENT when `type` cannot hold it. `value` must be JSON. */
export function nodeFrom(value: unknown, g: Hlc, type?: CrdtType): CrdtNode {
  const replica = g.join('.')
  switch (type ?? (isPlainObject(value) ? 'map' : 'register')) {
    case 'register':
      return { t: 'r', g, v: value }
    case 'counter':
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) refuse('a counter', value, 'a whole number')
      return { t: 'c', g, p: value > 0 ? record({ [replica]: value }) : record<number>(), n: value < 0 ? record({ [replica]: -value }) : record<number>() }
    case 'set': {
      if (!Array.isArray(value)) refuse('a set', value, 'an array')
      const elements = record<readonly Dot[]>()
      let number = 0
      for (const text of [...new Set(value.map((element) => canonicalJson(element)))].sort()) elements[text] = [[replica, ++number]]
      return { t: 's', g, vv: number === 0 ? record<number>() : record({ [replica]: number }), e: elements }
    }
    case 'map': {
      if (!isPlainObject(value)) refuse('a map', value, 'an object')
      const entries = record<CrdtNode>()
      for (const [name, inner] of Object.entries(value)) entries[name] = nodeFrom(inner, g)
      return { t: 'm', g, e: entries }
    }
  }
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refuse(what: string, value: unknown, wanted: string): never {
  const shown = canonicalJson(value)
  throw new CairnError('INVALID_ARGUMENT', `value: ${shown.length > 60 ? `${shown.slice(0, 60)}…` : shown} cannot be ${what}; it must be ${wanted}.`, { details: { field: 'value' } })
}
