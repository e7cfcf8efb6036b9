/**
 * A process of its own that runs a graph on the checkpointer and says which node ran, one line each. With `dieAt`, it
 * kills itself in that node, after a parallel node of the same step has stored its writes. Argument: JSON.
 */
import { type CairnOptions, open } from '@cairn/core'
import { Annotation, END, START, StateGraph } from '@langchain/langgraph'
import { CairnCheckpointSaver } from '../src/index.ts'

const { options, dieAt, ack } = JSON.parse(process.argv[2] ?? '') as { options: CairnOptions; dieAt?: string; ack: 'durable' | 'hot' }
const cairn = await open(options)
const saver = new CairnCheckpointSaver(cairn, { namespace: 'graphs', ack })
const State = Annotation.Root({ trail: Annotation<string[]>({ reducer: (before, more) => before.concat(more), default: () => [] }) })
const config = { configurable: { thread_id: 'a-thread' } }

function node(name: string, waitFor?: () => Promise<boolean>) {
  return async (): Promise<{ trail: string[] }> => {
    while (waitFor !== undefined && !(await waitFor())) await new Promise((resolve) => setTimeout(resolve, 5))
    if (name === dieAt) process.kill(process.pid, 'SIGKILL')
    process.stdout.write(`ran ${name}\n`)
    return { trail: [name] }
  }
}

/** The task beside this one has stored its writes. */
async function leftIsStored(): Promise<boolean> {
  const tuple = await saver.getTuple(config)
  return tuple?.pendingWrites?.some(([, channel, value]) => channel === 'trail' && JSON.stringify(value) === '["left"]') ?? false
}

const graph = new StateGraph(State)
  .addNode('plan', node('plan'))
  .addNode('left', node('left'))
  .addNode('right', node('right', dieAt === 'right' ? leftIsStored : undefined))
  .addNode('join', node('join'))
  .addEdge(START, 'plan')
  .addEdge('plan', 'left')
  .addEdge('plan', 'right')
  .addEdge(['left', 'right'], 'join')
  .addEdge('join', END)
  .compile({ checkpointer: saver })

const started = (await saver.getTuple(config)) !== undefined
const result = (await graph.invoke(started ? null : { trail: ['input'] }, config)) as { trail: string[] }
process.stdout.write(`result ${JSON.stringify(result.trail)}\n`)
await cairn.close()
