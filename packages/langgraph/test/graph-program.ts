/**
 * A process of its own that runs a graph on the checkpointer, once for each of `acks` and at the same time, and says which node ran, one
 * line each. With `dieAt`, it kills itself when all are in that node, after a parallel node of the same step has stored its writes. Argument: JSON.
 */
import { type CairnOptions, open } from '@cairn/core'
import { Annotation, END, START, StateGraph } from '@langchain/langgraph'
import { CairnCheckpointSaver } from '../src/index.ts'

type Ack = 'durable' | 'hot'

const { options, dieAt, acks } = JSON.parse(process.argv[2] ?? '') as { options: CairnOptions; dieAt?: string; acks: readonly Ack[] }
const cairn = await open(options)
const State = Annotation.Root({ trail: Annotation<string[]>({ reducer: (before, more) => before.concat(more), default: () => [] }) })
const config = { configurable: { thread_id: 'a-thread' } }
let dying = 0

async function runGraph(ack: Ack): Promise<void> {
  const saver = new CairnCheckpointSaver(cairn, { namespace: `graphs-${ack}`, ack })
  const say = (text: string): void => void process.stdout.write(`${ack} ${text}\n`)

  const node = (name: string) => async (): Promise<{ trail: string[] }> => {
    if (name === dieAt) return die()
    say(`ran ${name}`)
    return { trail: [name] }
  }

  /** Never resolves. */
  const die = async (): Promise<never> => {
    while (!(await leftIsStored())) await new Promise((resolve) => setTimeout(resolve, 5))
    if (++dying === acks.length) process.kill(process.pid, 'SIGKILL')
    return new Promise(() => undefined)
  }

  /** The task beside this one has stored its writes. */
  const leftIsStored = async (): Promise<boolean> => {
    const tuple = await saver.getTuple(config)
    return tuple?.pendingWrites?.some(([, channel, value]) => channel === 'trail' && JSON.stringify(value) === '["left"]') ?? false
  }

  const graph = new StateGraph(State)
    .addNode('plan', node('plan'))
    .addNode('left', node('left'))
    .addNode('right', node('right'))
    .addNode('join', node('join'))
    .addEdge(START, 'plan')
    .addEdge('plan', 'left')
    .addEdge('plan', 'right')
    .addEdge(['left', 'right'], 'join')
    .addEdge('join', END)
    .compile({ checkpointer: saver })

  const started = (await saver.getTuple(config)) !== undefined
  const result = (await graph.invoke(started ? null : { trail: ['input'] }, config)) as { trail: string[] }
  say(`result ${JSON.stringify(result.trail)}`)
}

await Promise.all(acks.map(runGraph))
await cairn.close()
