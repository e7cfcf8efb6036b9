import type { RunnableConfig } from '@langchain/core/runnables'
import { type BaseCheckpointSaver, type Checkpoint, type CheckpointMetadata, type ChannelVersions, uuid6 } from '@langchain/langgraph-checkpoint'

const CHANNELS = 10

/** Text that does not repeat: words chosen at random, so that nothing compresses it by luck. */
export function prose(bytes: number): string {
  let text = ''
  while (text.length < bytes) text += `${Math.random().toString(36).slice(2, 4 + Math.floor(Math.random() * 8))} `
  return text.slice(0, bytes)
}

/** One thread that grows by a checkpoint and its writes at each step. */
export interface Thread {
  readonly config: () => RunnableConfig
  step(): Promise<void>
}

/** Ten channels of about 100 bytes that all change at each step, and ten writes. */
export function smallThread(saver: BaseCheckpointSaver, name: string): Thread {
  return thread(saver, name, (step) => {
    const names = Array.from({ length: CHANNELS }, (_, index) => `channel_${index}`)
    const values = Object.fromEntries(names.map((channel, index) => [channel, { step, index, note: prose(70) }]))
    return { values, changed: names, writes: names.map((channel) => [channel, values[channel]]) }
  })
}

/** A conversation: each step adds one message of 225 bytes to a list. */
export function conversation(saver: BaseCheckpointSaver, name: string): Thread {
  const messages: object[] = []
  return thread(saver, name, (step) => {
    const message = { role: step % 2 === 0 ? 'user' : 'assistant', id: uuid6(step), content: prose(150) }
    messages.push(message)
    return { values: { messages: [...messages], step, node: { name: step % 2 === 0 ? 'model' : 'tools' } }, changed: ['messages', 'step', 'node'], writes: [['messages', [message]], ['step', step]] }
  })
}

function thread(saver: BaseCheckpointSaver, name: string, make: (step: number) => { values: Record<string, unknown>; changed: string[]; writes: [string, unknown][] }): Thread {
  let config: RunnableConfig = { configurable: { thread_id: name, checkpoint_ns: '' } }
  let versions: ChannelVersions = {}
  let step = 0
  return {
    config: () => ({ configurable: { thread_id: name, checkpoint_ns: '' } }),
    async step() {
      const { values, changed, writes } = make(step)
      const newVersions: ChannelVersions = Object.fromEntries(changed.map((channel) => [channel, step + 1]))
      versions = { ...versions, ...newVersions }
      const checkpoint: Checkpoint = {
        v: 4, id: uuid6(step), ts: new Date().toISOString(), channel_values: values, channel_versions: versions,
        versions_seen: { __input__: {}, model: { messages: step }, tools: { messages: Math.max(0, step - 1) } },
      }
      const metadata: CheckpointMetadata = { source: 'loop', step, parents: {} }
      config = await saver.put(config, checkpoint, metadata, newVersions)
      await saver.putWrites(config, writes, `task-${step}`, '~__pregel_pull, model')
      step++
    },
  }
}
