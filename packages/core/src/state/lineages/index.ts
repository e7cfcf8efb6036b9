export type { ChannelValue } from './content.ts'
export { LineageCore } from './lineage-core.ts'
export { LineageSpace } from './lineage-space.ts'
export type {
  AppendCheckpoint,
  AppendWrites,
  CheckpointAddress,
  LineageAddress,
  LineageCheckpoint,
  LineageHeader,
  LineageHeaderListOptions,
  LineageListOptions,
  LineageThread,
  LineageThreadListOptions,
  LineageSpaceOptions,
  PendingLineageWrite,
  PruneOptions,
  LineagePruneResult,
} from './lineage-types.ts'
export { LineagesService } from './lineages-service.ts'
export { replayedChannels } from './replayed-channels.ts'
export type { LineageEncryption } from './seal.ts'
export type { LineageWrite } from './write-pack.ts'
