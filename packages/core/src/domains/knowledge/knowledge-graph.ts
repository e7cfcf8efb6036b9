import { check } from '../../checks/index.ts'
import { addedObservations, deletedObservations, deletedRelations, graphEntities, graphNames, graphQuery, graphRelations, graphToMerge } from './graph-input.ts'
import { GRAPH_ENTITIES, GRAPH_RELATIONS } from './graph-queries.ts'
import { addObservations, createEntities, createRelations, deleteEntities, deleteObservations, deleteRelations } from './graph-writes.ts'
import type { SpaceContext } from './space-context.ts'

export interface GraphEntity {
  readonly name: string
  readonly entityType: string
  readonly observations: string[]
}

export interface GraphRelation {
  readonly from: string
  readonly to: string
  readonly relationType: string
}

export interface GraphObservations {
  readonly entityName: string
  readonly contents: readonly string[]
}

export interface AddedObservations {
  readonly entityName: string
  readonly addedObservations: string[]
}

export interface KnowledgeGraphData {
  readonly entities: GraphEntity[]
  readonly relations: GraphRelation[]
}

/** How many were not there before. */
export interface MergedGraph {
  readonly entities: number
  readonly observations: number
  readonly relations: number
}

/**
 * The knowledge of a space as entities, observations and relations: the nine operations of the Model Context Protocol's reference memory server,
 * with its results. Beneath are facts: what is deleted here only ends, and is found by `asOf` and `history`. Each call is all or nothing, and
 * calls at once lose nothing. Names are exact and case matters; an alias means its entity.
 *
 * Unlike the reference, names, types and relation types must not be empty, a relation type does not begin with @, and what one call says twice counts once.
 * Errors of all methods: INVALID_ARGUMENT with `details.field`, and those of the SQL engine.
 */
export class KnowledgeGraph {
  readonly #context: SpaceContext

  /** @internal Made by `knowledge.graph`. */
  constructor(context: SpaceContext) {
    this.#context = context
  }

  /** Up to 1,000 entities; a name that exists is ignored. Gives back those that were created. */
  async createEntities(entities: readonly { readonly name: string; readonly entityType: string; readonly observations: readonly string[] }[]): Promise<GraphEntity[]> {
    return createEntities(this.#context, check(graphEntities, entities, 'entities'))
  }

  /** Up to 1,000 relations, whose ends need not exist; one that exists is ignored. Gives back those that were created. */
  async createRelations(relations: readonly GraphRelation[]): Promise<GraphRelation[]> {
    return createRelations(this.#context, check(graphRelations, relations, 'relations'))
  }

  /** Gives back what was added, entry by entry; what an entity has already is ignored. NOT_FOUND when one of the entities does not exist; then nothing is added. */
  async addObservations(observations: readonly GraphObservations[]): Promise<AddedObservations[]> {
    return addObservations(this.#context, check(addedObservations, observations, 'observations'))
  }

  /**
   * Up to 1,000 entities and 1,000 relations: what is missing is made, also observations of entities that exist, which keep their type. Said again, it adds
   * nothing. Entities are stored before relations, each all or none.
   */
  async merge(graph: { readonly entities: readonly GraphEntity[]; readonly relations: readonly GraphRelation[] }): Promise<MergedGraph> {
    const { entities, relations } = check(graphToMerge, graph, 'graph')
    const made = await createEntities(this.#context, entities)
    const fresh = new Set(made.map(({ name }) => name))
    const others = entities.filter(({ name, observations }) => !fresh.has(name) && observations.length > 0)
    const added = others.length === 0 ? [] : await addObservations(this.#context, others.map(({ name, observations }) => ({ entityName: name, contents: observations })))
    const related = relations.length === 0 ? [] : await createRelations(this.#context, relations)
    const observations = [...made.map(({ observations: own }) => own.length), ...added.map(({ addedObservations }) => addedObservations.length)].reduce((sum, count) => sum + count, 0)
    return { entities: made.length, observations, relations: related.length }
  }

  /** With their observations and all relations that touch them. Names that do not exist are ignored. */
  async deleteEntities(names: readonly string[]): Promise<void> {
    return deleteEntities(this.#context, check(graphNames, names, 'entityNames'))
  }

  /** What does not exist is ignored. */
  async deleteObservations(deletions: readonly { readonly entityName: string; readonly observations: readonly string[] }[]): Promise<void> {
    return deleteObservations(this.#context, check(deletedObservations, deletions, 'deletions'))
  }

  /** What does not exist is ignored. */
  async deleteRelations(relations: readonly GraphRelation[]): Promise<void> {
    return deleteRelations(this.#context, check(deletedRelations, relations, 'relations'))
  }

  /** All of it, in the order of creation. */
  readGraph(): Promise<KnowledgeGraphData> {
    return this.#read(null, null)
  }

  /** Entities with the query in their name, type or an observation, whatever the case, and the relations that touch one of them. */
  async searchNodes(query: string): Promise<KnowledgeGraphData> {
    return this.#read(null, check(graphQuery, query, 'query').toLowerCase())
  }

  /** Those of these entities that exist, and the relations that touch one of them. */
  async openNodes(names: readonly string[]): Promise<KnowledgeGraphData> {
    return this.#read(check(graphNames, names, 'names'), null)
  }

  #read(names: readonly string[] | null, query: string | null): Promise<KnowledgeGraphData> {
    const { sql, identity, space } = this.#context
    return sql.transaction(
      identity,
      async (session) => {
        const { rows } = await session.query<GraphEntity & { id: string }>(GRAPH_ENTITIES, [identity.tenant, space, names, query])
        const ids = names === null && query === null ? null : rows.map(({ id }) => id)
        const relations = (await session.query<GraphRelation>(GRAPH_RELATIONS, [identity.tenant, space, ids])).rows
        return { entities: rows.map(({ name, entityType, observations }) => ({ name, entityType, observations })), relations: relations.map(({ from, to, relationType }) => ({ from, to, relationType })) }
      },
      { isolation: 'repeatable read', readOnly: true, attempts: 3 },
    )
  }
}
