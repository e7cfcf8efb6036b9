import { AIMessage, HumanMessage } from '@langchain/core/messages'
import { Annotation, Command, END, MessagesAnnotation, START, Send, StateGraph, interrupt } from '@langchain/langgraph'
import type { BaseCheckpointSaver, Checkpoint, CheckpointTuple } from '@langchain/langgraph-checkpoint'
import { uuid6 } from '@langchain/langgraph-checkpoint'
import { PostgresSaver } from '@langchain/langgraph-checkpoint-postgres'
import { PostgresStore } from '@langchain/langgraph-checkpoint-postgres/store'
import { expect } from 'vitest'

/** A saver of the official library whose tables hold what real graphs leave behind. */
export async function openOfficial(url: string, schema?: string): Promise<PostgresSaver> {
  const saver = PostgresSaver.fromConnString(url, schema === undefined ? undefined : { schema })
  await saver.setup()
  return saver
}

export async function openOfficialStore(url: string): Promise<PostgresStore> {
  const store = PostgresStore.fromConnString(url)
  await store.setup()
  return store
}

const configOf = (thread: string) => ({ configurable: { thread_id: thread } })

export function chat(saver: BaseCheckpointSaver) {
  return new StateGraph(MessagesAnnotation)
    .addNode('model', ({ messages }) => ({ messages: [new AIMessage({ id: `ai-${messages.length}`, content: `answer to ${messages.at(-1)?.text ?? ''}` })] }))
    .addEdge(START, 'model')
    .addEdge('model', END)
    .compile({ checkpointer: saver })
}

/** A sub-graph that keeps its own checkpoints and waits for an answer, beside a node that is done. */
export function asking(saver: BaseCheckpointSaver) {
  const State = Annotation.Root({ answers: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }), at: Annotation<Date>() })
  const inner = new StateGraph(State).addNode('ask', () => ({ answers: [interrupt<string, string>('which way?')] })).addEdge(START, 'ask').addEdge('ask', END).compile()
  return new StateGraph(State)
    .addNode('before', () => ({ answers: ['begun'], at: new Date(0) }))
    .addNode('inner', inner)
    .addNode('beside', () => ({ answers: ['beside'] }))
    .addNode('fan', (state) => ({ answers: [`fanned ${JSON.stringify(state)}`] }))
    .addEdge(START, 'before')
    .addEdge('before', 'inner')
    .addEdge('before', 'beside')
    .addConditionalEdges('inner', () => [new Send('fan', { n: 1 }), new Send('fan', { n: 2 })])
    .addEdge('fan', END)
    .compile({ checkpointer: saver })
}

export async function talk(saver: BaseCheckpointSaver, thread: string, turns: number, from = 0): Promise<void> {
  for (let turn = from; turn < from + turns; turn++) await chat(saver).invoke({ messages: [new HumanMessage({ id: `h${turn}`, content: `question ${turn} ✓ "quoted"` })] }, configOf(thread))
}

/** Threads: `talk`, `waits` (an interrupt in a sub-graph), `answered` (the same, answered, with a fork), `failed` (a node threw), `old` (before version 4), `sets`. */
export async function fill(saver: BaseCheckpointSaver): Promise<void> {
  await talk(saver, 'talk', 4)
  await asking(saver).invoke({ answers: [] }, configOf('waits'))
  await asking(saver).invoke({ answers: [] }, configOf('answered'))
  const waiting = await asking(saver).getState(configOf('answered'))
  await asking(saver).invoke(new Command({ resume: 'left' }), configOf('answered'))
  const fork = await asking(saver).updateState(waiting.config, { answers: ['forked'] }, 'before')
  await asking(saver).invoke(null, fork)
  const failing = new StateGraph(MessagesAnnotation)
    .addNode('works', () => ({ messages: [new AIMessage({ id: 'w', content: 'worked' })] }))
    .addNode('throws', () => Promise.reject(new Error('on purpose')))
    .addEdge(START, 'works').addEdge(START, 'throws').addEdge('works', END).addEdge('throws', END)
    .compile({ checkpointer: saver })
  await failing.invoke({ messages: [] }, configOf('failed')).catch(() => undefined)
  await beforeVersion4(saver)
  await special(saver)
}

/** Sends that waited in the writes of the parent, where checkpoints before version 4 have them, and parents where none waited. */
async function beforeVersion4(saver: BaseCheckpointSaver): Promise<void> {
  let config = configOf('old')
  for (let step = 0; step < 4; step++) {
    const checkpoint: Checkpoint = { v: step === 3 ? 1 : 3, id: uuid6(step), ts: new Date(step).toISOString(), channel_values: { a: step }, channel_versions: { a: step + 1 }, versions_seen: { n: { a: step } } }
    config = (await saver.put(config, checkpoint, { source: 'loop', step, parents: {} }, { a: step + 1 })) as typeof config
    if (step !== 1) await saver.putWrites(config, [['a', step], ['__pregel_tasks', { node: 'x', args: step }], ['__pregel_tasks', { node: 'y' }]], 'c0ffee00-0000-5000-8000-000000000002')
    if (step === 2) await saver.putWrites(config, [['__pregel_tasks', { node: 'first' }]], 'a0ffee00-0000-5000-8000-000000000001')
  }
}

/** Values of all kinds: bytes, sets and maps, undefined, nothing at all, long and odd names. */
async function special(saver: BaseCheckpointSaver): Promise<void> {
  const values = { bytes: new Uint8Array([0, 255, 1]), set: new Set([1, 'b']), map: new Map([['k', 1]]), none: null, empty: '', 'ünï "x"': 1n.toString(), constructor: { lc: 3 } }
  const versions = Object.fromEntries([...Object.keys(values), 'gone'].map((name, index) => [name, index % 2 === 0 ? index + 1 : `${String(index).padStart(32, '0')}.0.123`]))
  const checkpoint: Checkpoint = { v: 4, id: uuid6(0), ts: new Date(0).toISOString(), channel_values: values, channel_versions: versions, versions_seen: {} }
  const config = await saver.put({ configurable: { thread_id: 'sets', checkpoint_ns: 'deep|1:x' } }, checkpoint, { source: 'update', step: -1, parents: { '': 'p' } }, versions)
  await saver.putWrites(config, [['__error__', { message: 'broken' }], ['__interrupt__', [{ value: 1 }]]], 'b')
  await saver.putWrites(config, [['none', null], ['set', new Set([1])]], 'a')
}

/** A conversation as long as they get, put by put: 225 bytes more a turn. */
export async function longThread(saver: BaseCheckpointSaver, thread: string, turns: number): Promise<void> {
  let config: Parameters<BaseCheckpointSaver['put']>[0] = configOf(thread)
  const messages: HumanMessage[] = []
  for (let turn = 0; turn < turns; turn++) {
    messages.push(new HumanMessage({ id: `m${turn}`, content: `${turn} `.padEnd(225, 'all work and no play ') }))
    const checkpoint: Checkpoint = { v: 4, id: uuid6(turn), ts: new Date(turn).toISOString(), channel_values: { messages: [...messages], fixed: 'f' }, channel_versions: { messages: turn + 1, fixed: 1 }, versions_seen: {} }
    config = await saver.put(config, checkpoint, { source: 'loop', step: turn, parents: {} }, turn === 0 ? { messages: 1, fixed: 1 } : { messages: turn + 1 })
  }
}

export async function tuplesOf(saver: BaseCheckpointSaver, thread: string): Promise<CheckpointTuple[]> {
  const tuples: CheckpointTuple[] = []
  for await (const { config } of saver.list(configOf(thread))) tuples.push((await saver.getTuple(config)) as CheckpointTuple)
  return tuples.sort((a, b) => keyOf(a).localeCompare(keyOf(b)))
}

/** Which subclass of Uint8Array holds bytes is the driver's choice. */
function withoutBuffers(tuple: CheckpointTuple): CheckpointTuple {
  const values = Object.entries(tuple.checkpoint.channel_values).map(([name, value]) => [name, value instanceof Uint8Array ? new Uint8Array(value) : value])
  return { ...tuple, checkpoint: { ...tuple.checkpoint, channel_values: Object.fromEntries(values) as Record<string, unknown> } }
}

const keyOf = ({ config }: CheckpointTuple): string => JSON.stringify(config.configurable)

/**
 * Every checkpoint of the thread, deep: config, checkpoint, metadata, parent and pending writes in order. Returns how many.
 * With `byTask`, the tasks of a step may come in another order: the official tables do not keep the path that tells it.
 * `known`: what the official library has of the thread, when it was read already.
 */
export async function expectSame(official: BaseCheckpointSaver, ours: BaseCheckpointSaver, thread: string, { byTask = false, known }: { readonly byTask?: boolean; readonly known?: readonly CheckpointTuple[] } = {}): Promise<number> {
  const arranged = (tuple: CheckpointTuple): CheckpointTuple =>
    byTask ? { ...tuple, pendingWrites: (tuple.pendingWrites ?? []).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)) } : tuple
  const [theirs, mine] = [(known ?? (await tuplesOf(official, thread))).map(arranged), (await tuplesOf(ours, thread)).map(arranged)]
  expect(mine.map(keyOf)).toEqual(theirs.map(keyOf))
  for (const [index, tuple] of theirs.entries()) expect(withoutBuffers(mine[index] as CheckpointTuple), keyOf(tuple)).toEqual(withoutBuffers(tuple))
  const newest = await ours.getTuple(configOf(thread))
  expect(newest && arranged(newest)).toEqual(arranged((await official.getTuple(configOf(thread))) as CheckpointTuple))
  return theirs.length
}
