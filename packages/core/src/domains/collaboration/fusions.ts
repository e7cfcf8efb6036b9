import { uuidv7 } from '../../ids/index.ts'
import { check, jsonText } from '../../checks/index.ts'
import { type Embedder, embedTexts } from '../../embedding/index.ts'
import { CairnError } from '../../errors/index.ts'
import { type Page, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import { GET_FUSION, INSERT_FUSION, LIST_FUSIONS } from './collaboration-queries.ts'
import { type Fusion, type Insight, type Similarity, fuseInsights, vectorSimilarity } from './fusion/index.ts'
import { checkFusion, fusionFilterSchema } from './input.ts'
import type { CollaborationRequests } from './requests.ts'
import type { Room } from './room.ts'
import type { FuseInsights, FusionFilter, FusionResult } from './types.ts'

const TOKEN_THRESHOLD = 0.5
const VECTOR_THRESHOLD = 0.75

type FusionRow = Omit<FusionResult, 'context' | 'comparedBy' | 'note' | 'sides'> & { readonly additional: Pick<FusionResult, 'context' | 'comparedBy' | 'note' | 'sides'> }

/** One insight from many, stored with where each part came from. */
export class Fusions {
  readonly #room: Room
  readonly #requests: CollaborationRequests
  readonly #embedder: Embedder | undefined

  /** `embedder`: of the open Cairn, for calls that bring none. */
  constructor(room: Room, requests: CollaborationRequests, embedder: Embedder | undefined) {
    this.#embedder = embedder
    this.#room = room
    this.#requests = requests
  }

  /**
   * Fuses 1..500 insights by one method, and stores the result. `semantic` compares by vectors of the embedder given, or else that of `open`; without one, and when it fails, by
   * words, and `note` says so. NOT_FOUND (request), DUPLICATE_KEY, PAYLOAD_TOO_LARGE, SERIALIZATION_ERROR.
   */
  async fuse(input: FuseInsights): Promise<FusionResult> {
    const began = performance.now()
    const { insights: checked, method, threshold, key, request, userId, embedder, context = {}, metadata = {} } = checkFusion(input)
    const insights = checked as readonly Insight[]
    const requestId = request === undefined ? null : (await this.#requests.get(request)).id
    const compared = method === 'semantic' ? await compare(insights, embedder ?? this.#embedder) : { by: null, note: null, similarity: undefined }
    const least = threshold ?? (compared.by === 'vectors' ? VECTOR_THRESHOLD : TOKEN_THRESHOLD)
    const fused = fuseInsights(insights, { method, threshold: least, ...(compared.similarity === undefined ? {} : { similarity: compared.similarity }) })
    const agents = [...new Set(insights.map(({ agent }) => agent))].sort()
    const additional = jsonText('context', { context, comparedBy: compared.by, note: compared.note, sides: fused.sides })
    const rows = await this.#room.rows<FusionRow>(INSERT_FUSION, [
      this.#room.tenant, uuidv7(), key ?? null, requestId, userId ?? null, JSON.stringify(agents), JSON.stringify(insights), method, ...scores(fused), fused.unifiedInsight, fused.position,
      JSON.stringify(fused.recommendations), JSON.stringify(fused.conflicts), JSON.stringify(fused.provenance), additional, (performance.now() - began) / 1000, jsonText('metadata', metadata),
    ])
    if (rows[0] === undefined) throw new CairnError('DUPLICATE_KEY', `A fusion with the key ${JSON.stringify(key)} exists already. Use another key, or read that one.`, { details: { field: 'key', key } })
    return fusionOf(rows[0])
  }

  /** By id or key. NOT_FOUND. */
  async get(fusion: string): Promise<FusionResult> {
    const row = (await this.#room.rows<FusionRow>(GET_FUSION, this.#room.named(fusion, 'fusion')))[0]
    if (row === undefined) throw this.#room.notFound('fusion', fusion)
    return fusionOf(row)
  }

  /** Newest first. NOT_FOUND (request). */
  async list(filter: FusionFilter = {}): Promise<Page<FusionResult>> {
    const { request, method } = check(fusionFilterSchema, filter, 'filter')
    const limit = pageLimit(filter)
    const before = decodeCursor('collaboration.fusions', filter.cursor, 1)?.[0] ?? null
    const requestId = request === undefined ? null : (await this.#requests.get(request)).id
    const rows = await this.#room.rows<FusionRow>(LIST_FUSIONS, [this.#room.tenant, before, requestId, method ?? null, limit + 1])
    return toPage('collaboration.fusions', rows.map(fusionOf), limit, ({ id }) => [id])
  }
}

async function compare(insights: readonly Insight[], embedder: FuseInsights['embedder']): Promise<{ by: 'vectors' | 'tokens'; note: string | null; similarity: Similarity | undefined }> {
  if (embedder === undefined) return { by: 'tokens', note: null, similarity: undefined }
  try {
    const vectors = await embedTexts(embedder, insights.map(({ content }) => content), 'document')
    return { by: 'vectors', note: null, similarity: vectorSimilarity(vectors) }
  } catch (error) {
    return { by: 'tokens', note: `compared by words: ${(error as Error).message}`, similarity: undefined }
  }
}

const scores = ({ consensusLevel, confidence, insightQuality, actionability }: Fusion): number[] => [consensusLevel, confidence, insightQuality, actionability]

function fusionOf({ additional, ...row }: FusionRow): FusionResult {
  return { ...row, ...additional }
}
