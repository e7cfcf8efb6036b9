import type { MemorySession, AgentInputItem } from '@openai/agents-core'
import fc from 'fast-check'

export const user = (text: string): AgentInputItem => ({ type: 'message', role: 'user', content: text })

const providerData = fc.option(fc.dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 }), { nil: undefined })
const text = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('a', 'b', 'nul \0 in it', 'lone \ud800', '{"$cairn":1}'))
const callId = fc.constantFrom('call-1', 'call-2', 'call-3')
const defined = (value: object): AgentInputItem => Object.fromEntries(Object.entries(value).filter(([, property]) => property !== undefined)) as AgentInputItem

/** Items as runs make them, with everything that JSON does not take as it is. */
export const anyItem: fc.Arbitrary<AgentInputItem> = fc.oneof(
  fc.record({ type: fc.constant('message'), role: fc.constant('user'), content: text, providerData }).map(defined),
  fc.record({ type: fc.constant('message'), role: fc.constant('assistant'), status: fc.constant('completed'), content: text.map((value) => [{ type: 'output_text', text: value }]), providerData }).map(defined),
  fc.record({ type: fc.constant('function_call'), callId, name: fc.constantFrom('add', 'search'), arguments: text, status: fc.constant('completed'), providerData }).map(defined),
  fc.record({ type: fc.constant('function_call_result'), callId, name: fc.constant('add'), status: fc.constant('completed'), output: text.map((value) => ({ type: 'text', text: value })) }).map(defined),
  fc.record({ type: fc.constant('function_call_result'), callId, name: fc.constant('draw'), status: fc.constant('completed'), output: fc.uint8Array({ maxLength: 9 }).map((data) => [{ type: 'input_image', image: 'x', providerData: { data, $cairn: { type: 'bytes', base64: 'AAAA' } } }]) }).map(defined),
  fc.constantFrom({ type: 'reasoning', content: [], providerData: { odd: [Number.NaN, -0, Number.POSITIVE_INFINITY, undefined] } } as unknown as AgentInputItem),
)

/** What a call gave: its answer or its error, in a form that two sessions can be compared by. */
export async function answer(run: () => Promise<unknown>): Promise<unknown> {
  try {
    return { value: await run() }
  } catch (error) {
    return { error: (error as Error).constructor.name, message: (error as Error).message }
  }
}

export type AnySession = Pick<MemorySession, 'getItems' | 'addItems' | 'popItem' | 'clearSession' | 'applyHistoryMutations' | 'applyHistoryTransaction'>
