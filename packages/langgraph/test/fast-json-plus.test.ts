import { inspect } from 'node:util'
import { AIMessage, HumanMessage, ToolMessage } from '@langchain/core/messages'
import { DeltaSnapshot, JsonPlusSerializer } from '@langchain/langgraph-checkpoint'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FastJsonPlusSerializer } from '../src/index.ts'

const slow = new JsonPlusSerializer()
const fast = new FastJsonPlusSerializer()

const leaf = fc.oneof(
  { weight: 6, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  fc.string({ unit: 'binary' }),
  fc.double(),
  fc.constant(undefined),
  fc.uint8Array({ maxLength: 8 }),
  fc.constantFrom('__proto__', 'lc', '"lc":1', '\\u006cc', '\u0000', '\ud800'),
  fc.constantFrom({ lc: 1 }, { lc: 2, type: 'undefined' }, { lc: 2, type: 'constructor', id: ['Set'], args: [[1, 2]] }, { lc: 2, type: 'constructor', id: ['Nothing'] }, { lc: 3 }),
  fc.string().map((text) => new Error(text)),
  fc.constantFrom(/a+/gi, new Date(0), () => 1, { lg_name: 'Send', node: 'n', args: { a: 1 } }, { toJSON: () => 'x' }),
  fc.constantFrom(new HumanMessage({ content: 'hi', id: 'h' }), new AIMessage({ content: 'yo', tool_calls: [{ name: 't', args: { a: 1 }, id: 'c' }] }), new ToolMessage({ content: 'r', tool_call_id: 'c' })),
)
const value = fc.letrec((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('node'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('lc', 'type', 'id', 'toJSON', 'lg_name', '__proto__')), tie('node'), { maxKeys: 4 }),
    tie('node').map((inner) => new Set([inner])),
    tie('node').map((inner) => new Map([['key', inner]])),
    tie('node').map((inner) => new DeltaSnapshot(inner)),
  ),
})).node

async function outcome(run: () => Promise<unknown>): Promise<unknown> {
  try {
    return { value: await run() }
  } catch (error) {
    return { failed: error instanceof Error ? error.constructor.name : typeof error }
  }
}

function shown(value: unknown): string {
  return inspect(value, { depth: 30 }).replaceAll(/\n +at .*/g, '')
}

describe('the fast serialiser beside JsonPlusSerializer', () => {
  it('writes the same bytes and reads the same values from them', async () => {
    await fc.assert(
      fc.asyncProperty(value, async (any) => {
        const written = (await outcome(() => slow.dumpsTyped(any))) as { value?: [string, Uint8Array] }
        const ours = (await outcome(() => fast.dumpsTyped(any))) as { value?: [string, Uint8Array] }
        expect([ours.value?.[0], Buffer.from(ours.value?.[1] ?? []).toString()]).toEqual([written.value?.[0], Buffer.from(written.value?.[1] ?? []).toString()])
        if (written.value === undefined) return
        const [type, bytes] = written.value
        // As text: a value whose prototype came from the data cannot be compared otherwise.
        expect(shown(await outcome(() => fast.loadsTyped(type, bytes)))).toBe(shown(await outcome(() => slow.loadsTyped(type, bytes))))
      }),
      { numRuns: 3_000 },
    )
  })

  it.each(['{"__proto__":{"a":1}}', '{"\\u006cc":2,"type":"undefined"}', '[{"lc" : 2, "type" : "undefined"}]', '{"\\u005f_proto__":{"polluted":1}}', '"lc"', 'null', '{', '', '[{"lc":1}]'])(
    'reads %s as it does',
    async (text) => {
      const ours = await outcome(() => fast.loadsTyped('json', text))
      expect(ours).toEqual(await outcome(() => slow.loadsTyped('json', text)))
      expect(({} as { polluted?: number }).polluted).toBeUndefined()
    },
  )

  it('writes a list that was written before as it is now, whatever was changed in its items', async () => {
    const items = fc.array(fc.oneof({ weight: 8, arbitrary: fc.record({ role: fc.string(), content: fc.string(), step: fc.integer() }) }, { weight: 1, arbitrary: value }), { minLength: 8, maxLength: 12 })
    const change = fc.tuple(fc.nat(), fc.constantFrom('role', 'content', 'step', 'more', 'lg_name', 'toJSON'), fc.oneof(fc.string(), fc.integer(), fc.constantFrom(undefined, null, { deep: 1 }, () => 1)), fc.constantFrom('set', 'delete', 'again', 'hide', 'push'))
    await fc.assert(
      fc.asyncProperty(items, fc.array(change, { maxLength: 6 }), async (list, changes) => {
        for (const [at, name, next, how] of [...changes, [0, 'role', 'x', 'none']] as const) {
          const written = (await outcome(() => slow.dumpsTyped(list))) as { value?: [string, Uint8Array] }
          const ours = (await outcome(() => fast.dumpsTyped(list))) as { value?: [string, Uint8Array] }
          expect(Buffer.from(ours.value?.[1] ?? []).toString()).toBe(Buffer.from(written.value?.[1] ?? []).toString())
          const item = list[at % list.length]
          if (how === 'push') list.push(item)
          if (typeof item !== 'object' || item === null || Object.getPrototypeOf(item) !== Object.prototype) continue
          const target = item as Record<string, unknown>
          if (how === 'set') target[name] = next
          else if (how === 'hide') Object.defineProperty(target, 'content', { enumerable: false, configurable: true, writable: true, value: next })
          else if (how !== 'push') Reflect.deleteProperty(target, name)
          if (how === 'again') target[name] = next
        }
      }),
      { numRuns: 300 },
    )
  })

  it('leaves a value that contains itself to it', async () => {
    const loop = (): object => {
      const inner: { again?: object } = {}
      inner.again = inner
      return { inner }
    }
    expect(await fast.dumpsTyped(loop())).toEqual(await slow.dumpsTyped(loop()))
  })
})
