export { CairnCheckpointSaver } from './checkpoint-saver.ts'
export { FastJsonPlusSerializer } from './fast-json-plus.ts'
export type { CairnCheckpointSaverOptions, PruneThreadsOptions } from './saver-options.ts'
