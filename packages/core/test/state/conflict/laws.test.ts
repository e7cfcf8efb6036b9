import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalJson } from '../../../src/state/canonical-json.ts'
import { MAX_TOMBSTONES, type CrdtNode, type CrdtOperation, applyOperation, checkNode, mergeNodes, nodeFrom, removed, valueOf } from '../../../src/state/conflict/crdt/index.ts'
import { type Hlc, HLC_ZERO, HybridClock, compareHlc } from '../../../src/state/conflict/hlc.ts'
import { MergeRegistry } from '../../../src/state/conflict/merge-registry.ts'
import type { Incoming } from '../../../src/state/conflict/resolution.ts'
import { resolve } from '../../../src/state/conflict/resolve.ts'
import { MOST_NODES } from '../../../src/state/conflict/resolve-vector.ts'
import { type VectorClock, compareVectors, covers, mergeVectors } from '../../../src/state/conflict/vector-clock.ts'
import type { StoredState } from '../../../src/state/state-entry.ts'
import { decodeClock, encodeClock } from '../../../src/state/conflict/conflict-clock.ts'

const CASES = { numRuns: 10_000 }
const same = (a: unknown, b: unknown): boolean => canonicalJson(a) === canonicalJson(b)

const names = fc.constantFrom('a', 'b', '__proto__')
const scalars = fc.constantFrom<unknown>(0, 1, -7, 'x', null, true)

type Step = { readonly replica: number } & ({ readonly kind: 'apply'; readonly operation: CrdtOperation } | { readonly kind: 'pull'; readonly from: number })

/** Operations on three replicas, with exchanges between them. */
function histories(operation: fc.Arbitrary<CrdtOperation>): fc.Arbitrary<Step[]> {
  const replica = fc.nat({ max: 2 })
  return fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.record({ replica, kind: fc.constant('apply' as const), operation }) },
      { weight: 1, arbitrary: fc.record({ replica, kind: fc.constant('pull' as const), from: replica }) },
    ),
    { maxLength: 10 },
  )
}

/** The states of the three replicas after a history. Operations that do not fit the value there are refused and change nothing. */
function play(steps: readonly Step[]): [CrdtNode, CrdtNode, CrdtNode] {
  const states: [CrdtNode, CrdtNode, CrdtNode] = [removed(HLC_ZERO), removed(HLC_ZERO), removed(HLC_ZERO)]
  // Clocks of machines that disagree by up to 3.
  const clocks = [0, 1, 2].map((i) => new HybridClock(`r${i}`, { now: (() => { let t = i * 3; return () => t++ })() }))
  for (const step of steps) {
    const state = states[step.replica] as CrdtNode
    if (step.kind === 'pull') {
      states[step.replica] = mergeNodes(state, states[step.from] as CrdtNode)
      continue
    }
    try {
      states[step.replica] = applyOperation(state, step.operation, { at: (clocks[step.replica] as HybridClock).tick(), replica: `r${step.replica}`, type: undefined, forced: false })
    } catch {
      // Of another type.
    }
  }
  return states
}

const counterOps = fc.record({ type: fc.constant('increment' as const), by: fc.integer({ min: -50, max: 50 }) })
const setOps: fc.Arbitrary<CrdtOperation> = fc.oneof(
  fc.record({ type: fc.constant('add' as const), value: scalars }),
  fc.record({ type: fc.constant('remove' as const), value: scalars }),
)
const registerOps = fc.record({ type: fc.constant('assign' as const), value: scalars })
const path = fc.array(names, { maxLength: 2 })
const documentOps: fc.Arbitrary<CrdtOperation> = fc.oneof(
  fc.record({ type: fc.constant('increment' as const), path, by: fc.integer({ min: -5, max: 5 }) }),
  fc.record({ type: fc.constant('add' as const), path, value: scalars }),
  fc.record({ type: fc.constant('remove' as const), path, value: scalars }),
  fc.record({ type: fc.constant('assign' as const), path, value: fc.oneof(scalars, fc.dictionary(names, scalars, { maxKeys: 2 })) }),
  fc.record({ type: fc.constant('patch' as const), path, value: fc.dictionary(names, fc.oneof(scalars, fc.dictionary(names, scalars, { maxKeys: 2 })), { maxKeys: 2 }) }),
  fc.record({ type: fc.constant('unset' as const), path }),
)

describe.each([
  ['register', registerOps],
  ['counter', counterOps],
  ['set', setOps],
  ['map and nested JSON', documentOps],
] as const)('CRDT %s', (_, operations) => {
  const states = histories(operations as fc.Arbitrary<CrdtOperation>).map(play)

  // proves S4-6.2-04
  it('merges in any order (commutative)', { timeout: 60_000 }, () => {
    fc.assert(fc.property(states, ([a, b]) => same(mergeNodes(a, b), mergeNodes(b, a))), CASES)
  })

  it('merges in any grouping (associative)', { timeout: 60_000 }, () => {
    fc.assert(fc.property(states, ([a, b, c]) => same(mergeNodes(mergeNodes(a, b), c), mergeNodes(a, mergeNodes(b, c)))), CASES)
  })

  it('merges twice as once (idempotent)', { timeout: 60_000 }, () => {
    fc.assert(fc.property(states, ([a, b]) => same(mergeNodes(a, a), a) && same(mergeNodes(mergeNodes(a, b), b), mergeNodes(a, b))), CASES)
  })

  it('only grows by an operation: the state before is in the state after', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(states, operations as fc.Arbitrary<CrdtOperation>, ([a], operation) => {
        let after: CrdtNode
        try {
          after = applyOperation(a, operation, { at: [1_000, 0, 'r0'], replica: 'r0', type: undefined, forced: false })
        } catch {
          return true
        }
        return same(mergeNodes(a, after), after) && same(valueOf(checkNode(JSON.parse(JSON.stringify(after)))) ?? null, valueOf(after) ?? null)
      }),
      CASES,
    )
  })
})

describe('CRDT values', () => {
  it('a counter is the sum of what all replicas counted, however they exchange', () => {
    fc.assert(
      fc.property(histories(counterOps), (steps) => {
        const [a, b, c] = play(steps)
        const sum = steps.reduce((total, step) => total + (step.kind === 'apply' && step.operation.type === 'increment' ? step.operation.by : 0), 0)
        return (valueOf(mergeNodes(mergeNodes(a, b), c)) ?? 0) === sum
      }),
      CASES,
    )
  })

  it('a set keeps an element that one removes while another adds it', () => {
    const at: Hlc = [1, 0, 'a']
    const context = { at, type: undefined, forced: false }
    const base = applyOperation(undefined, { type: 'add', value: 'x' }, { ...context, replica: 'a' })
    const without = applyOperation(base, { type: 'remove', value: 'x' }, { ...context, replica: 'a' })
    const again = applyOperation(base, { type: 'add', value: 'x' }, { ...context, replica: 'b' })
    expect(valueOf(mergeNodes(without, base))).toEqual([])
    expect(valueOf(mergeNodes(without, again))).toEqual(['x'])
  })

  it('a value that is removed leaves a bounded number of tombstones', () => {
    let node: CrdtNode | undefined
    for (let i = 0; i < 3 * MAX_TOMBSTONES; i++) {
      node = applyOperation(node, { type: 'assign', path: [`k${i}`], value: i }, { at: [2 * i + 1, 0, 'a'], replica: 'a', type: undefined, forced: false })
      node = applyOperation(node, { type: 'unset', path: [`k${i}`] }, { at: [2 * i + 2, 0, 'a'], replica: 'a', type: undefined, forced: false })
    }
    expect(valueOf(node as CrdtNode)).toEqual({})
    expect(node?.t === 'm' ? Object.keys(node.e).length : 0).toBe(MAX_TOMBSTONES)
  })

  it('a JSON value comes back from its state', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        if (/\\u0000|\\ud[89a-f]/i.test(JSON.stringify(value))) return true
        const text = canonicalJson(value)
        return canonicalJson(valueOf(nodeFrom(JSON.parse(text), [1, 0, 'a']))) === text
      }),
    )
  })
})

describe('hybrid logical clock', () => {
  it('gives ever later times, also when the machine clock jumps, and later ones than it received', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ now: fc.nat({ max: 1_000 }), receive: fc.option(fc.tuple(fc.nat({ max: 1_000 }), fc.nat({ max: 5 }), fc.constantFrom('a', 'z'))) }), { maxLength: 30 }), (events) => {
        let now = 0
        const clock = new HybridClock('m', { now: () => now, maxSkewMs: 10_000 })
        let last: Hlc = HLC_ZERO
        for (const event of events) {
          now = event.now
          if (event.receive !== null) clock.receive(event.receive)
          const time = clock.tick()
          if (compareHlc(time, last) <= 0 || time[0] < now) return false
          if (event.receive !== null && compareHlc(time, event.receive) <= 0) return false
          last = time
        }
        return true
      }),
      CASES,
    )
  })

  it('is never ahead of the newest machine clock it met, so it does not run away', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 1_000 }), { minLength: 1, maxLength: 30 }), (times) => {
        let now = 0
        const clock = new HybridClock('m', { now: () => now })
        let newest = 0
        for (now of times) {
          newest = Math.max(newest, now)
          if (clock.tick()[0] > newest) return false
        }
        return true
      }),
      CASES,
    )
  })

  it('does not take over a time too far ahead, and says so', () => {
    const warned: [number, string][] = []
    const clock = new HybridClock('m', { now: () => 1_000, maxSkewMs: 60_000, onSkew: (aheadMs, node) => warned.push([aheadMs, node]) })
    expect(clock.receive([61_000, 3, 'ok'])).toBe(true)
    expect(clock.tick()).toEqual([61_000, 4, 'm'])
    expect(clock.receive([61_001, 0, 'wrong'])).toBe(false)
    expect(clock.tick()[0]).toBe(61_000)
    expect(warned).toEqual([[60_001, 'wrong']])
  })

  it('orders totally', () => {
    const time = fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 2 }), fc.constantFrom('a', 'b', 'c'))
    fc.assert(fc.property(time, time, time, (a, b, c) => compareHlc(a, b) === -compareHlc(b, a) && (compareHlc(a, b) > 0 || compareHlc(b, c) > 0 || compareHlc(a, c) <= 0)), CASES)
  })
})

describe('vector clock', () => {
  const vector = fc.dictionary(fc.constantFrom('a', 'b', '__proto__'), fc.nat({ max: 3 }), { maxKeys: 3 })

  it('merges commutatively, associatively and idempotently, and the result covers both', () => {
    fc.assert(
      fc.property(vector, vector, vector, (a, b, c) => {
        const zero = (v: Readonly<Record<string, number>>): unknown => Object.fromEntries(Object.entries(v).filter(([, n]) => n > 0).sort())
        const equal = (x: Readonly<Record<string, number>>, y: Readonly<Record<string, number>>): boolean => JSON.stringify(zero(x)) === JSON.stringify(zero(y))
        return equal(mergeVectors(a, b), mergeVectors(b, a)) && equal(mergeVectors(mergeVectors(a, b), c), mergeVectors(a, mergeVectors(b, c))) && equal(mergeVectors(a, a), a) && covers(mergeVectors(a, b), a) && covers(mergeVectors(a, b), b)
      }),
      CASES,
    )
  })

  it('compares as a partial order', () => {
    const opposite = { equal: 'equal', before: 'after', after: 'before', concurrent: 'concurrent' } as const
    fc.assert(fc.property(vector, vector, (a, b) => compareVectors(a, b) === opposite[compareVectors(b, a)] && compareVectors(a, mergeVectors(a, b)) !== 'after'), CASES)
  })
})

/** Writes arriving one after the other in one order. */
function arrive(incoming: readonly Incoming[], policy: Parameters<typeof resolve>[2]): StoredState | undefined {
  const merges = new MergeRegistry()
  merges.define('max', (a, b) => Math.max(a.value as number, b.value as number))
  let stored: StoredState | undefined
  let revision = 0
  for (const one of incoming) {
    const resolved = resolve(stored, one, policy, { merges, where: { agentId: 'a', key: 'k' }, replica: 'line', mode: 'replay', believes: () => true })
    if (resolved.changed) stored = { text: resolved.text, checksum: '', revision: ++revision, kvRevision: revision, writtenAt: 0, expiresAt: undefined, clock: encodeClock(resolved.clock) }
  }
  return stored
}

describe('a key that thousands of processes wrote, one after the other', () => {
  it('remembers a bounded number of them, and still tells who knew of its value', () => {
    const policy = { strategy: 'vector', merge: null, crdtType: null, maxSiblings: 16 } as const
    const environment = { merges: new MergeRegistry(), where: { agentId: 'a', key: 'k' }, replica: 'line', mode: 'normal', believes: () => true } as const
    const write = (n: number, context: VectorClock): Incoming => ({ id: `i${n}`, h: [n, 0, `node ${n}`], event: n, text: String(n), context, exact: true, remember: false })
    let stored: StoredState | undefined
    const seen: VectorClock[] = []
    const apply = (one: Incoming): string => {
      const resolved = resolve(stored, one, policy, environment)
      stored = { text: resolved.text, checksum: '', revision: 1, kvRevision: 1, writtenAt: 0, expiresAt: undefined, clock: encodeClock(resolved.clock) }
      return resolved.outcome
    }
    const knownNow = (): VectorClock => (stored?.clock === undefined ? {} : (decodeClock(stored.clock).vv ?? {}))
    for (let n = 1; n <= 1_000; n++) {
      expect(apply(write(n, knownNow()))).toBe('written')
      seen.push(knownNow())
    }
    expect(Object.keys(knownNow()).length).toBeLessThanOrEqual(MOST_NODES)
    // One that has read the key long ago, or never, stands beside it; who knows of both replaces both.
    expect([apply(write(1_001, seen[10] as VectorClock)), apply(write(1_002, {})), apply(write(1_003, knownNow()))]).toEqual(['merged', 'merged', 'written'])
  })
})

describe('writes that arrive in any order, and twice', () => {
  const writes = fc
    .array(fc.record({ node: fc.constantFrom('a', 'b', 'c', 'd', 'e'), wall: fc.integer({ min: 1, max: 4 }), text: fc.option(fc.constantFrom('1', '2', '3')) }), { maxLength: 5 })
    .map((all) => all.filter(({ node }, i) => all.findIndex((other) => other.node === node) === i).map(({ node, wall, text }, i): Incoming => ({ id: `${i}`, h: [wall, 0, node], event: wall, text, context: {}, remember: false })))
  const shuffled = writes.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray([...all, ...all], { minLength: all.length * 2, maxLength: all.length * 2 })))

  it.each([
    ['lww', { strategy: 'lww', merge: null, crdtType: null, maxSiblings: 16 }],
    ['vector clock with siblings', { strategy: 'vector', merge: null, crdtType: null, maxSiblings: 16 }],
    ['vector clock with a merge function', { strategy: 'vector', merge: 'max', crdtType: null, maxSiblings: 16 }],
    ['crdt', { strategy: 'crdt', merge: null, crdtType: null, maxSiblings: 16 }],
  ] as const)('%s: the value is the same', (_, policy) => {
    fc.assert(fc.property(shuffled, ([inOrder, mixed]) => arrive(inOrder, policy)?.text === arrive(mixed, policy)?.text), CASES)
  })
})
