export { CairnStore, type CairnPutOperation, type CairnStoreIndex, type CairnStoreOptions } from './cairn-store.ts'
export { CairnCheckpointSaver } from './checkpoint-saver.ts'
export { FastJsonPlusSerializer } from './fast-json-plus.ts'
export type { CairnCheckpointSaverOptions, PruneThreadsOptions } from './saver-options.ts'
