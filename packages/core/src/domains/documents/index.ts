export type * from './types.ts'
export type { DocumentCollection } from './document-collection.ts'
export { DocumentsService, type CollectionSummary } from './documents-service.ts'
export { DocumentSweeper, sweepAllDocuments } from './sweep-documents.ts'
