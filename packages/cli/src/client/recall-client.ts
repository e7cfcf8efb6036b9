import type { Cairn, EmbeddingStatus, RecallOptions, RecallResult } from '@cairn/core'
import type { Json } from './cairn-client.ts'
import type { Http } from './http.ts'

/** What `cairn recall` asks. */
export interface RecallClient {
  search(question: string, options: RecallOptions): Promise<Json<RecallResult>>
  embeddings(): Promise<EmbeddingStatus>
}

export function localRecall({ recall }: Cairn): RecallClient {
  return {
    search: async (question, options) => JSON.parse(JSON.stringify(await recall.search(question, options))) as Json<RecallResult>,
    embeddings: () => recall.embeddings(),
  }
}

export function httpRecall(http: Http): RecallClient {
  return {
    search: (question, options) => http.post('/v1/memory/recall', { question, ...options }),
    embeddings: () => http.get('/v1/memory-embeddings'),
  }
}
