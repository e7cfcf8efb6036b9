import '../../../scripts/published-packages.ts'
import type { AgentInputItem, SessionHistoryTransactionArgs } from '@openai/agents-core'
import { isCairnError, type Cairn } from '@cairn/core'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cairnTargets, openCairn } from '../../core/test/harness/cairns.ts'
import { answer, anyItem, user, type AnySession } from './sessions.ts'

// After the first import, which says how the packages below are found.
const { MemorySession, UserError } = await import('@openai/agents-core')
const { CairnSession } = await import('../src/index.ts')

type Step = (session: AnySession, items: readonly AgentInputItem[]) => Promise<unknown>

const operationId = fc.constantFrom('op-1', 'op-2', 'op-3', 'op 🚀', 'x'.repeat(300))
const someItems = fc.array(anyItem, { maxLength: 3 })
const named = (name: string, step: Step): { name: string; step: Step } => ({ name, step })

/** One call; `items` are those of the session now, so that a suffix can be right or wrong on purpose. */
const anyStep = fc.oneof(
  { weight: 4, arbitrary: someItems.map((items) => named('addItems', (session) => session.addItems(items))) },
  { weight: 2, arbitrary: fc.constant(named('popItem', (session) => session.popItem())) },
  { weight: 1, arbitrary: fc.constant(named('clearSession', (session) => session.clearSession())) },
  { weight: 2, arbitrary: fc.oneof(fc.constant(undefined), fc.integer({ min: -2, max: 9 }), fc.constantFrom(1.5, Number.NaN, Number.POSITIVE_INFINITY, 1e300)).map((limit) => named(`getItems ${limit}`, (session) => session.getItems(limit))) },
  {
    weight: 2,
    arbitrary: fc.array(fc.constantFrom('call-1', 'call-2', 'call-9'), { maxLength: 2 }).map((callIds) =>
      named('applyHistoryMutations', (session) =>
        session.applyHistoryMutations({
          mutations: callIds.map((callId) => ({ type: 'replace_function_call', callId, replacement: { type: 'function_call', callId, name: 'new', arguments: '{}', status: 'completed' } })),
        }),
      ),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(operationId, fc.oneof(someItems, fc.constant('same').map((text) => [user(text)]))).map(([id, items]) =>
      named('append_items', (session) => session.applyHistoryTransaction({ operationId: id, transaction: { type: 'append_items', items } })),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(operationId, fc.nat({ max: 3 }), someItems, fc.option(anyItem, { nil: undefined })).map(([id, count, replacement, wrong]) =>
      named('replace_suffix', (session, items) =>
        session.applyHistoryTransaction({
          operationId: id,
          transaction: { type: 'replace_suffix', expectedSuffix: [...(wrong === undefined ? [] : [wrong]), ...items.slice(Math.max(0, items.length - count))], replacement },
        }),
      ),
    ),
  },
)

describe.each(cairnTargets)('CairnSession beside MemorySession ($name)', (target) => {
  let opened: { cairn: Cairn; dispose(): Promise<void> }
  beforeAll(async () => {
    opened = await openCairn(target)
  })
  afterAll(() => opened?.dispose())

  it('answers every sequence of calls alike, with the same errors', async () => {
    let calls = 0
    let refused = 0
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { minLength: 1, maxLength: 25 }), async (steps) => {
        const memory = new MemorySession()
        const kept = new CairnSession(opened.cairn, { sessionId: await memory.getSessionId() })
        for (const { name, step } of steps) {
          const items = await memory.getItems()
          const expected = await answer(() => step(memory, items))
          expect(await answer(() => step(kept, items)), name).toEqual(expected)
          calls += 1
          if ('error' in (expected as object)) refused += 1
        }
        expect(await new CairnSession(opened.cairn, { sessionId: await memory.getSessionId() }).getItems()).toEqual(await memory.getItems())
      }),
      { numRuns: 150 },
    )
    // The run is worth something only if it met refusals too.
    expect(calls).toBeGreaterThan(500)
    expect(refused).toBeGreaterThan(20)
  })

  it.each([
    ['no arguments', undefined],
    ['no id', { transaction: { type: 'append_items', items: [] } }],
    ['an empty id', { operationId: ' ', transaction: { type: 'append_items', items: [] } }],
    ['no transaction', { operationId: 'a' }],
    ['another type', { operationId: 'a', transaction: { type: 'drop_all' } }],
    ['no items', { operationId: 'a', transaction: { type: 'append_items' } }],
    ['one field too many', { operationId: 'a', transaction: { type: 'append_items', items: [], more: 1 } }],
    ['no replacement', { operationId: 'a', transaction: { type: 'replace_suffix', expectedSuffix: [] } }],
    ['an item that is none', { operationId: 'a', transaction: { type: 'append_items', items: [{ type: 'message', role: 'nobody' }] } }],
    ['an expected item that is none', { operationId: 'a', transaction: { type: 'replace_suffix', expectedSuffix: [1], replacement: [] } }],
    ['a function', { operationId: 'a', transaction: { type: 'append_items', items: [{ ...user('x'), providerData: { f: () => 1 } }] } }],
    ['a Map', { operationId: 'a', transaction: { type: 'append_items', items: [{ ...user('x'), providerData: { m: new Map() } }] } }],
    ['a sparse array', { operationId: 'a', transaction: { type: 'append_items', items: Array.from({ length: 2 }).fill(user('x'), 1) } }],
    ['a class instance', { operationId: 'a', transaction: { type: 'append_items', items: [new (class { type = 'message' })()] } }],
  ])('refuses a transaction with %s in the same words, and changes nothing', async (_, args) => {
    const memory = new MemorySession({ initialItems: [user('before')] })
    const kept = new CairnSession(opened.cairn)
    await kept.addItems([user('before')])
    const expected = await answer(() => memory.applyHistoryTransaction(args as SessionHistoryTransactionArgs))
    expect(expected).toMatchObject({ error: 'UserError' })
    expect(await answer(() => kept.applyHistoryTransaction(args as SessionHistoryTransactionArgs))).toEqual(expected)
    expect(await kept.getItems()).toEqual([user('before')])
  })

  it('keeps the cause of a refusal, and frees its operation id', async () => {
    const session = new CairnSession(opened.cairn)
    await session.addItems([user('a')])
    const transaction = { type: 'replace_suffix', expectedSuffix: [user('b')], replacement: [user('c')] } as const
    const error: unknown = await session.applyHistoryTransaction({ operationId: 'x', transaction: { ...transaction, expectedSuffix: [...transaction.expectedSuffix], replacement: [...transaction.replacement] } }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(UserError)
    expect(isCairnError((error as Error).cause, 'VERSION_CONFLICT')).toBe(true)
    await session.applyHistoryTransaction({ operationId: 'x', transaction: { type: 'replace_suffix', expectedSuffix: [user('a')], replacement: [user('c')] } })
    expect(await session.getItems()).toEqual([user('c')])
  })

  it('of many equal transactions at once, one is applied', async () => {
    const session = new CairnSession(opened.cairn)
    await session.addItems([user('a')])
    const args: SessionHistoryTransactionArgs = { operationId: 'once', transaction: { type: 'replace_suffix', expectedSuffix: [user('a')], replacement: [user('b'), user('a')] } }
    await Promise.all(Array.from({ length: 12 }, () => new CairnSession(opened.cairn, { sessionId: 'other' }).getItems().then(() => session.applyHistoryTransaction(args))))
    expect(await session.getItems()).toEqual([user('b'), user('a')])
  })
})
