import type { RouteCase } from './route-cases.ts'

/** The server of the tests has no embedder: recall goes by text. */
export const RECALL_CASES: readonly RouteCase[] = [
  {
    name: 'POST /v1/memory/recall', json: () => ({ question: 'What was there last week?', limit: 5, tokens: 100, weights: { importance: 0.5, recency: 0.1, halfLifeDays: 7 }, at: '2026-05-08T12:00:00.000Z', filter: { tags: ['a'] } }), status: 200, intruder: 200,
    check: ({ body, text }) => {
      if (body['mode'] !== 'text' || body['degraded'] !== null || (body['time'] as { words: string }).words !== 'last week') throw new Error(text)
    },
  },
  { name: 'POST /v1/memory/recall', json: () => ({ question: '' }), status: 400, intruder: 400 },
  { name: 'POST /v1/memory/recall', json: () => ({ question: 'x', mode: 'vector' }), status: 503, intruder: 503 },
  { name: 'GET /v1/memory-embeddings', status: 200 },
]
