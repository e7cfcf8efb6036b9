import type { Cairn, Embedder } from '../../packages/core/src/index.ts'
import { sql } from 'kysely'
import { MatrixSearch } from '../../packages/core/src/domains/recall/matrix-search.ts'
import { PgvectorSearch } from '../../packages/core/src/domains/recall/pgvector-search.ts'
import { SILENT_LOGGER } from '../../packages/core/src/observability/index.ts'
import type { LocomoFile } from './locomo.ts'

const LIMIT = 60
const ASKED = 150

export interface IndexFigures {
  readonly memories: number
  readonly p50: number
  readonly p95: number
  /** Share of the nearest 60 that the index finds, on average. */
  readonly found: number
}

/** The index of pgvector beside exact search, over the memories that a tenant of `cairn` has by now. */
export async function measureIndex(cairn: Cairn, embedder: Embedder, tenant: string, memories: number, files: readonly LocomoFile[], say: (line: string) => void): Promise<IndexFigures> {
  const { sql: engine } = cairn.engines
  const [byIndex, exact] = [new PgvectorSearch(engine), new MatrixSearch(engine, 2 ** 32, SILENT_LOGGER)]
  const scope = { tenant, identity: cairn.as({ tenant }).identity, userId: undefined, narrowed: false, conditions: [sql<boolean>`m.tenant_id = ${tenant}`] }
  const questions = files.flatMap((file) => file.questions.map(({ text }) => text))
  const times: number[] = []
  let found = 0
  for (let index = 0; index < ASKED; index += 1) {
    const [given = []] = await embedder.embed([questions[(index * 7) % questions.length] ?? ''], 'query')
    const length = Math.hypot(...given)
    const vector = given.map((value) => value / length)
    const began = performance.now()
    const hits = await byIndex.nearest(embedder, scope, vector, LIMIT)
    times.push(performance.now() - began)
    const nearest = new Set((await exact.nearest(embedder, scope, vector, LIMIT))?.map(({ id }) => id))
    found += hits.filter(({ id }) => nearest.has(id)).length / LIMIT / ASKED
  }
  await exact.close()
  times.sort((a, b) => a - b)
  const figures = { memories, p50: times[Math.floor(ASKED * 0.5)] as number, p95: times[Math.floor(ASKED * 0.95)] as number, found }
  say(`  HNSW at ${memories.toLocaleString('en')}: p50 ${figures.p50.toFixed(1)} ms, p95 ${figures.p95.toFixed(1)} ms, ${figures.found.toFixed(3)} of the nearest ${LIMIT}`)
  return figures
}
