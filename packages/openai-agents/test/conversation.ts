import { Agent, Runner, tool, type Session } from '@openai/agents-core'
import { assistantMessage, functionCall, modelResponse, ScriptedModel } from '@openai/agents-core/testing'

export interface Turn {
  readonly input: string
  /** What the model says, call by call: a text ends the turn, a list of calls uses the tools. */
  readonly says: readonly (string | readonly { readonly tool: 'add' | 'slow' | 'draw'; readonly args: Record<string, unknown>; readonly callId: string }[])[]
}

/** Two turns with tools, one with two calls at once, and one that only talks. */
export const TURNS: readonly Turn[] = [
  { input: 'What is 2 + 3?', says: [[{ tool: 'add', args: { a: 2, b: 3 }, callId: 'c1' }], 'It is 5.'] },
  { input: 'And 1 + 1, and 4 + 4? Draw it.', says: [[{ tool: 'add', args: { a: 1, b: 1 }, callId: 'c2' }, { tool: 'add', args: { a: 4, b: 4 }, callId: 'c3' }], [{ tool: 'draw', args: {}, callId: 'c4' }], '2 and 8 \u{1f4ab}.'] },
  { input: 'Thanks', says: ['You are welcome.'] },
]

/** Runs turns one after the other on a session, as a program would that is started for each of them. */
export async function converse(session: Session, turns: readonly Turn[], options: { slow?: () => Promise<string>; stream?: boolean } = {}): Promise<unknown[]> {
  const outputs: unknown[] = []
  for (const [index, turn] of turns.entries()) {
    let message = 0
    const model = new ScriptedModel(
      turn.says.map((said) =>
        modelResponse(
          typeof said === 'string'
            ? [assistantMessage(said, { id: `m-${index}-${message++}` })]
            : said.map((call) => functionCall(call.tool, call.args, { callId: call.callId, id: `f-${call.callId}`, providerData: { seen: [null, { z: 1, a: 2 }] } })),
        ),
      ),
    )
    const agent = new Agent({ name: 'calculator', instructions: 'Compute.', model, tools: tools(options.slow) })
    const runner = new Runner({ tracingDisabled: true })
    if (options.stream === true) {
      const result = await runner.run(agent, turn.input, { session, stream: true })
      await result.completed
      outputs.push(result.finalOutput)
    } else {
      outputs.push((await runner.run(agent, turn.input, { session })).finalOutput)
    }
    model.assertComplete()
  }
  return outputs
}

function tools(slow: (() => Promise<string>) | undefined) {
  const object = (properties: Record<string, { type: 'number' }>) => ({ type: 'object' as const, properties, required: Object.keys(properties), additionalProperties: false as const })
  return [
    tool({ name: 'add', description: 'Adds.', parameters: object({ a: { type: 'number' }, b: { type: 'number' } }), execute: (args) => String((args as { a: number; b: number }).a + (args as { a: number; b: number }).b) }),
    tool({ name: 'slow', description: 'Takes its time.', parameters: object({}), execute: () => slow?.() ?? 'done' }),
    tool({ name: 'draw', description: 'Draws.', parameters: object({}), execute: () => ({ type: 'image' as const, image: { data: new Uint8Array([0, 1, 254, 255]), mediaType: 'image/png' } }) }),
  ]
}
