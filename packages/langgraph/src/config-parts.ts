import type { RunnableConfig } from '@langchain/core/runnables'
import { CairnError } from '@cairn/core'
import { getCheckpointId } from '@langchain/langgraph-checkpoint'

/** The parts of a config that say where a checkpoint is. */
export interface ConfigParts {
  readonly thread: string | undefined
  readonly path: string | undefined
  readonly id: string | undefined
}

export function partsOf(config: RunnableConfig | undefined): ConfigParts {
  const { thread_id: thread, checkpoint_ns: path } = (config?.configurable ?? {}) as Record<string, unknown>
  const id = config === undefined ? '' : getCheckpointId(config)
  return { thread: text('thread_id', thread), path: text('checkpoint_ns', path), id: id === '' ? undefined : id }
}

/** INVALID_ARGUMENT without a thread. */
export function requiredThread(doing: string, { thread }: ConfigParts): string {
  if (thread === undefined || thread === '') {
    throw new CairnError('INVALID_ARGUMENT', `${doing}: the config has no configurable.thread_id. Pass one, as in graph.invoke(input, { configurable: { thread_id: 'a-thread' } }).`, {
      details: { field: 'thread_id' },
    })
  }
  return thread
}

export function configOf(thread: string, path: string, id: string): { configurable: { thread_id: string; checkpoint_ns: string; checkpoint_id: string } } {
  return { configurable: { thread_id: thread, checkpoint_ns: path, checkpoint_id: id } }
}

/** Thread ids are sometimes numbers; everything else that is not text is a mistake. */
function text(field: string, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  throw new CairnError('INVALID_ARGUMENT', `configurable.${field} must be text, not ${typeof value}.`, { details: { field } })
}
