export { CairnStore, type CairnPutOperation, type CairnStoreIndex, type CairnStoreOptions } from './cairn-store.ts'
