import type { GraphEntity, GraphRelation, KnowledgeGraphData, MergedGraph } from '@cairn/core'
import type { McpMemory } from './mcp-memory-format.ts'

/** What one call takes, well within the limits of a request. */
const MOST_ITEMS = 500
const MOST_CHARACTERS = 200_000

/** Merges it piece by piece, entities first; a piece that was merged before adds nothing. */
export async function importMcpMemory({ entities, relations }: McpMemory, merge: (graph: KnowledgeGraphData) => Promise<MergedGraph>, signal: AbortSignal): Promise<MergedGraph> {
  const total = { entities: 0, observations: 0, relations: 0 }
  for (const graph of pieces(entities, relations)) {
    if (signal.aborted) break
    const merged = await merge(graph)
    total.entities += merged.entities
    total.observations += merged.observations
    total.relations += merged.relations
  }
  return total
}

function* pieces(entities: readonly GraphEntity[], relations: readonly GraphRelation[]): Generator<KnowledgeGraphData> {
  let piece: { name: string; entityType: string; observations: string[] }[] = []
  let [items, characters] = [0, 0]
  for (const { name, entityType, observations } of entities) {
    let own: string[] = []
    piece.push({ name, entityType, observations: own })
    items++
    for (const said of observations) {
      if (items >= MOST_ITEMS || characters + said.length > MOST_CHARACTERS) {
        yield { entities: piece, relations: [] }
        own = []
        piece = [{ name, entityType, observations: own }]
        ;[items, characters] = [1, 0]
      }
      own.push(said)
      items++
      characters += said.length
    }
    if (items < MOST_ITEMS) continue
    yield { entities: piece, relations: [] }
    piece = []
    ;[items, characters] = [0, 0]
  }
  if (piece.length > 0) yield { entities: piece, relations: [] }
  for (let from = 0; from < relations.length; from += MOST_ITEMS) yield { entities: [], relations: relations.slice(from, from + MOST_ITEMS) }
}
