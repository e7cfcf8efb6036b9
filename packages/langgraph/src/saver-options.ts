import type { LineageSpaceOptions } from '@cairn/core'
import type { SerializerProtocol } from '@langchain/langgraph-checkpoint'

export interface CairnCheckpointSaverOptions extends LineageSpaceOptions {
  /** Turns values into bytes and back. @default the format of LangGraph's JsonPlusSerializer, written and read faster */
  readonly serde?: SerializerProtocol
}

/** What `prune` keeps or removes. */
export interface PruneThreadsOptions {
  /** 'keep_latest' is `keepLast: 1`; 'delete' removes the threads. @default 'keep_latest' unless keepLast or olderThan is given */
  readonly strategy?: 'keep_latest' | 'delete'
  /** Checkpoints kept of each checkpoint namespace, the newest. */
  readonly keepLast?: number
  /** Only checkpoints stored before this go. */
  readonly olderThan?: Date
}
