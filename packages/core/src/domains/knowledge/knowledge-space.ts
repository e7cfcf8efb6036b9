import * as z from 'zod'
import { check, checkUuid } from '../../checks/index.ts'
import { type Page, type PageOptions, pageLimit } from '../../paging/index.ts'
import { assertFacts } from './assert-facts.ts'
import { correctFact, invalidateFact, retractFact } from './change-fact.ts'
import { addAliases, addEntity, forgetEntity, getEntity, listEntities } from './entities.ts'
import { reembedFacts } from './fact-vectors.ts'
import {
  checkFacts, correction, declaration, endOptions, entityFilter, entityOrName, factFilter, historyOptions, ingestOptions, ingestTexts, mergeOptions, neighbourhoodOptions, newEntity, pathOptions,
  retractOptions, searchOptions,
} from './input.ts'
import { ingest } from './ingest.ts'
import { KnowledgeGraph } from './knowledge-graph.ts'
import { mergeEntities } from './merge-entities.ts'
import { declarePredicate, listPredicates } from './predicates.ts'
import { factHistory, getFact, listFacts } from './read-facts.ts'
import { searchFacts } from './search-facts.ts'
import { type SpaceContext, withEmbedder } from './space-context.ts'
import type {
  AssertedFact, Entity, EntityFilter, Fact, FactCorrection, FactFilter, FactHistoryOptions, FactReembedResult, FactSearchOptions, FactSearchResult, ForgottenEntity, IngestOptions, IngestResult, IngestText, KnowledgePaths,
  MergedEntities, Neighbourhood, NeighbourhoodOptions, NewEntity, NewFact, PathSearchOptions, PredicateDeclaration,
} from './types.ts'
import { neighbourhoodOf, pathsBetween } from './walk-facts.ts'

const names = z.array(newEntity.shape.name).min(1).max(100)

/**
 * What is known in one space of a tenant: entities, and facts about them in two times. Valid time is when a fact holds, recorded time when it
 * was believed. Nothing but `forget` deletes: a change ends what was recorded and records anew, so that every former belief can be asked for.
 *
 * An entity is given by its id or by any of its names. Errors of all methods besides those named: INVALID_ARGUMENT with `details.field`, NOT_FOUND
 * for an entity or fact that does not exist, INVALID_CURSOR, and those of the SQL engine. Source: S4 §9.2.
 */
export class KnowledgeSpace {
  /** The same knowledge as the nine operations of the reference memory server. */
  readonly graph: KnowledgeGraph
  /** @internal */
  protected readonly context: SpaceContext

  /** @internal Made by `knowledge.use`. */
  constructor(context: SpaceContext) {
    this.context = context
    this.graph = new KnowledgeGraph(context)
  }

  get name(): string {
    return this.context.space
  }

  /** A new entity. One that facts only mention gets this type. DUPLICATE_KEY when one of the names means another. */
  async addEntity(entity: NewEntity): Promise<Entity> {
    return addEntity(this.context, check(newEntity, entity, 'entity'))
  }

  /** Up to 100 other names. One that it has already is ignored. DUPLICATE_KEY when one means another. */
  async addAliases(entity: string, aliases: readonly string[]): Promise<Entity> {
    return addAliases(this.context, check(entityOrName, entity, 'entity'), check(names, aliases, 'aliases'))
  }

  async entity(entity: string): Promise<Entity> {
    return getEntity(this.context, check(entityOrName, entity, 'entity'))
  }

  /** By name in code-point order. */
  async entities(filter: EntityFilter = {}): Promise<Page<Entity>> {
    return listEntities(this.context, check(entityFilter, filter, 'filter'))
  }

  /**
   * Two entities that are one: the facts of `from` are recorded anew under `into`, and its names become aliases. Where a functional predicate
   * has a value already, that of `into` stays. What was believed before is found under the names of then.
   */
  async mergeEntities(from: string, into: string, options: { readonly note?: string } = {}): Promise<MergedEntities> {
    return mergeEntities(this.context, check(entityOrName, from, 'from'), check(entityOrName, into, 'into'), check(mergeOptions, options, 'options').note)
  }

  /**
   * Deletes an entity, its names, what was merged into it, and every row of all times that is about it or points to it, with evidence and vectors.
   * It cannot be undone. Texts of other facts that happen to name it stay: search for them.
   */
  async forget(entity: string): Promise<ForgottenEntity> {
    return forgetEntity(this.context, check(entityOrName, entity, 'entity'))
  }

  /**
   * Says what an entity's predicate is: one value at a time (`functional`), or many. Without a declaration it has many.
   * CONSTRAINT_VIOLATION when entities have several values at one time.
   */
  async declare(predicate: { readonly predicate: string; readonly functional: boolean; readonly description?: string }): Promise<PredicateDeclaration> {
    return declarePredicate(this.context, check(declaration, predicate, 'predicate'))
  }

  /** By name. */
  async predicates(options: PageOptions = {}): Promise<Page<PredicateDeclaration>> {
    return listPredicates(this.context, options)
  }

  /**
   * Records up to 1,000 facts, all or none, and makes the entities they name. What is known already is not recorded twice: it gets the new
   * evidence, and the higher confidence. A new value of a functional predicate ends the former where the new one begins. Facts are stored also
   * when the embedder is down.
   *
   * Errors: AGENT_NOT_FOUND, SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE above 64 KiB; EMBEDDING_INVALID when the embedder gives back what is no vector of its
   * dimensions, and then nothing is stored.
   */
  async assertMany(facts: readonly NewFact[]): Promise<AssertedFact[]> {
    return assertFacts(this.context, checkFacts(facts))
  }

  /** One fact; see `assertMany`. */
  async assert(fact: NewFact): Promise<AssertedFact> {
    return (await this.assertMany([fact]))[0] as AssertedFact
  }

  /**
   * Reads facts out of up to 1,000 texts: by rules, by the built-in rules for English, by a function, or several of them. The text is their evidence, so
   * that the same text again adds nothing, also when what it said has been superseded since. Facts are stored a thousand at a time.
   *
   * Errors: EXTRACTION_FAILED when the function throws or gives back no list, and then nothing is stored; otherwise as `assertMany`.
   */
  async ingest(texts: readonly (string | IngestText)[], options: IngestOptions = {}): Promise<IngestResult> {
    return ingest(this.context, check(ingestTexts, texts, 'texts'), check(ingestOptions, options, 'options'))
  }

  /** Any row, also one that is not believed any more. */
  async fact(id: string): Promise<Fact> {
    return getFact(this.context, id)
  }

  /** What holds and is believed, now or as of two other times, in the order of recording. */
  async facts(filter: FactFilter = {}): Promise<Page<Fact>> {
    return listFacts(this.context, check(factFilter, filter, 'filter'))
  }

  /** Every row there was of an entity (and predicate), in the order of recording. */
  async history(options: FactHistoryOptions): Promise<Page<Fact>> {
    return factHistory(this.context, check(historyOptions, options, 'options'))
  }

  /** Every version of the statement that this row belongs to. */
  async versions(id: string, options: PageOptions = {}): Promise<Page<Fact>> {
    return factHistory(this.context, { ...options, fact: id })
  }

  /** It was wrong: what is given replaces what was said. VERSION_CONFLICT when the row is not believed any more; otherwise as `assert`. */
  async correct(id: string, patch: FactCorrection): Promise<Fact> {
    return correctFact(this.context, checkUuid(id, 'fact'), check(correction, patch, 'correction'))
  }

  /** It does not hold any more, from `at` (now) on. One that ended before stays as it is. VERSION_CONFLICT. */
  async invalidate(id: string, options: { readonly at?: Date | string; readonly note?: string } = {}): Promise<Fact> {
    const { at, note } = check(endOptions, options, 'options')
    return invalidateFact(this.context, checkUuid(id, 'fact'), at, note)
  }

  /** It never was true: it is not believed any more. VERSION_CONFLICT. */
  async retract(id: string, options: { readonly note?: string } = {}): Promise<Fact> {
    return retractFact(this.context, checkUuid(id, 'fact'), check(retractOptions, options, 'options').note)
  }

  /**
   * Facts by words, by meaning, or by both. A space without an embedder of its own asks that of `open` for 'vector' and 'hybrid': its facts get their
   * vectors then, the first search waits two seconds for them at most. Without an embedder, or while it is down, by text, and `degraded` says so. Facts without a vector
   * of this model are found by text. EMBEDDER_UNAVAILABLE is never thrown; EMBEDDING_INVALID.
   */
  async search(options: FactSearchOptions): Promise<FactSearchResult> {
    return searchFacts(this.context, check(searchOptions, options, 'options'))
  }

  /** The entities within so many relations, the nearest first, and the relations among them. */
  async neighbourhood(entity: string, options: NeighbourhoodOptions = {}): Promise<Neighbourhood> {
    return neighbourhoodOf(this.context, check(entityOrName, entity, 'entity'), check(neighbourhoodOptions, options, 'options'))
  }

  /** The shortest ways from one entity to another. */
  async paths(from: string, to: string, options: PathSearchOptions = {}): Promise<KnowledgePaths> {
    return pathsBetween(this.context, check(entityOrName, from, 'from'), check(entityOrName, to, 'to'), check(pathOptions, options, 'options'))
  }

  /** Embeds up to `limit` facts (1..1000, 1000) that have no vector of the embedder (its own, or that of `open`). EMBEDDER_UNAVAILABLE, EMBEDDING_INVALID. */
  async reembed(options: { readonly limit?: number } = {}): Promise<FactReembedResult> {
    return reembedFacts(withEmbedder(this.context), pageLimit({ limit: options.limit ?? 1000 }))
  }
}
