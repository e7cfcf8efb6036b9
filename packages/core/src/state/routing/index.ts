export type { AgentSessions } from './agent-sessions.ts'
export { DATA_TYPES, STORAGE_LAYERS, type DataStorage, type DataType, type StorageSearchOptions, type StorageLayer, type StoreOptions, type StoredItem } from './data-storage.ts'
export { SessionBucket } from './session-storage.ts'
export { ROUTES, StorageService, type StorageMaker, type StorageScope } from './storage-service.ts'
