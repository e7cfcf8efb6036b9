import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { AIMessage, type BaseMessage, HumanMessage } from '@langchain/core/messages'
import { Annotation, Command, END, MessagesAnnotation, START, StateGraph, interrupt } from '@langchain/langgraph'
import { MemorySaver, emptyCheckpoint } from '@langchain/langgraph-checkpoint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, isCairnError, open } from '@cairn/core'
import { type CairnPlace, cairnTargets } from '../../core/test/harness/cairns.ts'
import { CairnCheckpointSaver } from '../src/index.ts'
import { NODE_FLAGS } from '../../core/test/harness/node-flags.ts'

const PROGRAM = fileURLToPath(new URL('./graph-program.ts', import.meta.url))

async function runProgram(argument: object): Promise<string[]> {
  const child = spawn(process.execPath, [...NODE_FLAGS, PROGRAM, JSON.stringify(argument)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) lines.push(line)
  return lines
}

describe.each(cairnTargets)('graphs on the checkpointer ($name)', (target) => {
  let place: CairnPlace
  let cairn: Cairn

  beforeAll(async () => {
    place = await target.place()
    cairn = await open(place.options)
  })
  afterAll(async () => {
    await cairn?.close()
    await place?.dispose()
  })

  /** A model that answers from a script. */
  function chat(saver: MemorySaver | CairnCheckpointSaver) {
    const model = (messages: BaseMessage[]): AIMessage => new AIMessage({ id: `ai-${messages.length}`, content: `answer to ${messages.at(-1)?.text ?? ''}` })
    return new StateGraph(MessagesAnnotation)
      .addNode('model', ({ messages }) => ({ messages: [model(messages)] }))
      .addEdge(START, 'model')
      .addEdge('model', END)
      .compile({ checkpointer: saver })
  }

  it('a conversation goes on over turns and processes as it does on MemorySaver', { timeout: 120_000 }, async () => {
    const config = { configurable: { thread_id: 'chat' } }
    const reference = chat(new MemorySaver())
    for (let turn = 0; turn < 6; turn++) {
      // Another Cairn every third turn: nothing is remembered but what is stored.
      if (turn % 3 === 2) {
        await cairn.close()
        cairn = await open(place.options)
      }
      const ours = chat(new CairnCheckpointSaver(cairn, { namespace: 'chat' }))
      const message = () => ({ messages: [new HumanMessage({ id: `h-${turn}`, content: `question ${turn}` })] })
      const [mine, theirs] = [await ours.invoke(message(), config), await reference.invoke(message(), config)]
      expect(mine.messages.map((one) => [one.getType(), one.id, one.content])).toEqual(theirs.messages.map((one) => [one.getType(), one.id, one.content]))
    }
    const ours = chat(new CairnCheckpointSaver(cairn, { namespace: 'chat' }))
    const steps = []
    for await (const { values, metadata } of ours.getStateHistory(config)) steps.push([metadata?.step, (values as { messages?: unknown[] }).messages?.length ?? 0])
    const expected = []
    for await (const { values, metadata } of reference.getStateHistory(config)) expected.push([metadata?.step, (values as { messages?: unknown[] }).messages?.length ?? 0])
    expect(steps).toEqual(expected)
  })

  it('an interrupt waits, is answered in another process, and a fork from before it takes its own way', async () => {
    const State = Annotation.Root({ answer: Annotation<string>(), asked: Annotation<number>({ reducer: (a, b) => a + b, default: () => 0 }) })
    const make = () =>
      new StateGraph(State)
        .addNode('before', () => ({ asked: 1 }))
        .addNode('ask', () => ({ answer: interrupt<string, string>('which way?') }))
        .addEdge(START, 'before')
        .addEdge('before', 'ask')
        .addEdge('ask', END)
        .compile({ checkpointer: new CairnCheckpointSaver(cairn, { namespace: 'ask' }) })
    const config = { configurable: { thread_id: 'ask' } }
    await make().invoke({ asked: 0 }, config)
    await cairn.close()
    cairn = await open(place.options)
    const waiting = await make().getState(config)
    expect(waiting.next).toEqual(['ask'])
    expect(waiting.tasks[0]?.interrupts[0]?.value).toBe('which way?')
    expect(await make().invoke(new Command({ resume: 'left' }), config)).toEqual({ answer: 'left', asked: 1 })
    const fork = await make().updateState(waiting.config, { asked: 10 }, 'before')
    await make().invoke(null, fork)
    expect(await make().invoke(new Command({ resume: 'right' }), config)).toEqual({ answer: 'right', asked: 11 })
  })

  it('killed in a step, it goes on without running again what had stored its writes, durable or hot', { timeout: 180_000 }, async () => {
    const own = await target.place()
    const acks = ['durable', 'hot']
    const of = (lines: readonly string[], ack: string) => lines.filter((line) => line.startsWith(`${ack} `)).map((line) => line.slice(ack.length + 1))
    try {
      const first = await runProgram({ options: own.options, dieAt: 'right', acks })
      for (const ack of acks) expect(of(first, ack)).toEqual(['ran plan', 'ran left'])
      const second = await runProgram({ options: own.options, acks })
      for (const ack of acks) {
        const [right, join, result = ''] = of(second, ack)
        expect([right, join]).toEqual(['ran right', 'ran join'])
        expect(JSON.parse(result.slice('result '.length))).toEqual(['input', 'plan', 'left', 'right', 'join'])
      }
    } finally {
      await own.dispose()
    }
  })

  it('prune keeps what a graph needs to go on; copies, runs and fenced writers', async () => {
    const saver = new CairnCheckpointSaver(cairn, { namespace: 'upkeep' })
    const config = { configurable: { thread_id: 't' } }
    for (let turn = 0; turn < 5; turn++) await chat(saver).invoke({ messages: [new HumanMessage({ id: `h${turn}`, content: `q${turn}` })] }, config)
    const before = await chat(saver).getState(config)
    await saver.copyThread('t', 'copy')
    expect((await saver.prune(['t'])).removed).toBeGreaterThan(5)
    expect((await chat(saver).getState(config)).values).toEqual(before.values)
    const { messages } = await chat(saver).invoke({ messages: [new HumanMessage({ id: 'next', content: 'next' })] }, config)
    expect(messages).toHaveLength(12)
    expect((await chat(saver).getState({ configurable: { thread_id: 'copy' } })).values).toEqual(before.values)
    await saver.prune(['copy'], { strategy: 'delete' })
    expect(await saver.getTuple({ configurable: { thread_id: 'copy' } })).toBeUndefined()

    const fenced = new CairnCheckpointSaver(cairn, { namespace: 'fenced', fenced: true })
    await chat(fenced).invoke({ messages: [new HumanMessage('first')] }, config)
    const both = await Promise.allSettled([1, 2].map((n) => chat(fenced).invoke({ messages: [new HumanMessage(`at once ${n}`)] }, config)))
    const refused = both.filter((one) => one.status === 'rejected')
    expect(refused.length).toBeLessThanOrEqual(1)
    for (const { reason } of refused) expect(isCairnError(reason, 'VERSION_CONFLICT'), String(reason)).toBe(true)
    const children = new Map<string, number>()
    for await (const { parentConfig } of fenced.list(config)) {
      const parent = (parentConfig?.configurable as { checkpoint_id?: string } | undefined)?.checkpoint_id ?? ''
      children.set(parent, (children.get(parent) ?? 0) + 1)
    }
    expect([...children.values()].every((count) => count === 1)).toBe(true)
  })

  it('keeps channels named as what every object has', async () => {
    const names = ['constructor', 'toString', '__proto__', 'valueOf', 'hasOwnProperty'] as const
    const saver = new CairnCheckpointSaver(cairn, { namespace: 'names' })
    const values = Object.fromEntries(names.map((name) => [name, `of ${name}`]))
    const versions = Object.fromEntries(names.map((name) => [name, 1]))
    const checkpoint = { ...emptyCheckpoint(), channel_values: values, channel_versions: versions }
    const config = await saver.put({ configurable: { thread_id: 't', checkpoint_ns: '' } }, checkpoint, { source: 'loop', step: 1, parents: {} }, versions)
    await saver.putWrites(config, names.map((name) => [name, name]), 'task')
    const tuple = await saver.getTuple(config)
    expect(Object.entries(tuple?.checkpoint.channel_values ?? {}).sort()).toEqual(Object.entries(values).sort())
    expect(tuple?.pendingWrites).toEqual(names.map((name) => ['task', name, name]))
  })

  it('shows its name only, and refuses configs without a thread', async () => {
    const saver = new CairnCheckpointSaver(cairn)
    expect(JSON.stringify({ saver })).toBe('{"saver":"[CairnCheckpointSaver default/default]"}')
    expect(await saver.getTuple({ configurable: {} })).toBeUndefined()
    await expect(saver.putWrites({ configurable: { thread_id: 't' } }, [['a', 1]], 'task')).rejects.toThrow(/checkpoint_id/)
    await expect(saver.getTuple({ configurable: { thread_id: { $ne: '' } } })).rejects.toThrow(/must be text/)
  })
})
