import type { KnowledgeSpace } from '@cairn/core'
import { createRoute } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { App, AppEnv } from '../app-env.ts'
import { exact } from '../exact.ts'
import { LOCATION_HEADER, body, json, problems } from '../openapi.ts'
import { TenantHeaders, pageOf } from '../schemas/common.ts'
import {
  Aliases, AssertedFacts, Correction, DeclarePredicate, Ending, Entity, EntityParam, EntityQuery, Fact, FactParam, FactQuery, FactSearch, Forgotten, FoundFacts, Graph, GraphQuery, GraphToMerge, HistoryQuery, IngestResult,
  IngestTexts, Merge, Merged, MergedGraph, Neighbourhood, NeighbourhoodQuery, NewEntity, NewFacts, Paths, PathsQuery, Predicate, PredicateParam, Retraction, SpaceQuery, VersionsQuery,
} from '../schemas/knowledge.ts'

const tags = ['knowledge']
const headers = TenantHeaders
const ofEntity = { params: EntityParam, headers }
const ofFact = { params: FactParam, headers }
const refusals = ['AGENT_NOT_FOUND', 'NOT_FOUND', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE'] as const

/** Rules of the caller's own are functions of a process; over HTTP there are the built-in rules, and the embedder is the server's. */
const spaceOf = (c: Context<AppEnv>, { space }: { space?: string | undefined }): KnowledgeSpace => c.get('cairn').knowledge.use(space === undefined ? {} : { space })

/** The fields of the query that make up `asOf`. */
function timed<T extends { validAt?: string | undefined; recordedAt?: string | undefined }>({ validAt, recordedAt, ...rest }: T) {
  const asOf = { ...(validAt === undefined ? {} : { valid: validAt }), ...(recordedAt === undefined ? {} : { recorded: recordedAt }) }
  return { ...rest, ...(Object.keys(asOf).length === 0 ? {} : { asOf }) }
}

/** Entities and what is known about them. */
export function knowledgeRoutes(app: App): void {
  entityRoutes(app)
  factRoutes(app)
  walkRoutes(app)
}

function entityRoutes(app: App): void {
  app.openapi(
    createRoute({ method: 'get', path: '/v1/knowledge/entities', tags, summary: 'List entities by name', request: { headers, query: EntityQuery }, responses: { 200: json(pageOf(Entity), 'A page of entities.'), ...problems('INVALID_CURSOR') } }),
    async (c) => {
      const { space, ...filter } = c.req.valid('query')
      return c.json(await spaceOf(c, { space }).entities(exact(filter)), 200)
    },
  )
  app.openapi(
    createRoute({
      method: 'post', path: '/v1/knowledge/entities', tags, summary: 'Add an entity', request: { headers, query: SpaceQuery, body: body(NewEntity, 'What it is.') },
      responses: { 201: json(Entity, 'The new entity.', LOCATION_HEADER), ...problems('DUPLICATE_KEY') },
    }),
    async (c) => {
      const added = await spaceOf(c, c.req.valid('query')).addEntity(exact(c.req.valid('json')))
      c.header('Location', `/v1/knowledge/entities/${added.id}`)
      return c.json(added, 201)
    },
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/knowledge/entities/{entity}', tags, summary: 'Read an entity', request: { ...ofEntity, query: SpaceQuery }, responses: { 200: json(Entity, 'The entity.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await spaceOf(c, c.req.valid('query')).entity(c.req.valid('param').entity), 200),
  )
  app.openapi(
    createRoute({ method: 'delete', path: '/v1/knowledge/entities/{entity}', tags, summary: 'Forget an entity: delete it with every row of all times', request: { ...ofEntity, query: SpaceQuery }, responses: { 200: json(Forgotten, 'What was deleted.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await spaceOf(c, c.req.valid('query')).forget(c.req.valid('param').entity), 200),
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/knowledge/entities/{entity}/aliases', tags, summary: 'Give an entity more names', request: { ...ofEntity, query: SpaceQuery, body: body(Aliases, 'Its other names.') }, responses: { 200: json(Entity, 'The entity.'), ...problems('NOT_FOUND', 'DUPLICATE_KEY') } }),
    async (c) => c.json(await spaceOf(c, c.req.valid('query')).addAliases(c.req.valid('param').entity, c.req.valid('json').aliases), 200),
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/knowledge/entities/{entity}/merge', tags, summary: 'Merge an entity into another', request: { ...ofEntity, query: SpaceQuery, body: body(Merge, 'Which one stays.') }, responses: { 200: json(Merged, 'The entity that stays.'), ...problems('NOT_FOUND') } }),
    async (c) => {
      const { into, ...options } = c.req.valid('json')
      return c.json(await spaceOf(c, c.req.valid('query')).mergeEntities(c.req.valid('param').entity, into, exact(options)), 200)
    },
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/knowledge/predicates', tags, summary: 'List declared predicates', request: { headers, query: VersionsQuery }, responses: { 200: json(pageOf(Predicate), 'A page of declarations.'), ...problems('INVALID_CURSOR') } }),
    async (c) => {
      const { space, ...page } = c.req.valid('query')
      return c.json(await spaceOf(c, { space }).predicates(exact(page)), 200)
    },
  )
  app.openapi(
    createRoute({
      method: 'put', path: '/v1/knowledge/predicates/{predicate}', tags, summary: 'Say whether a predicate has one value at a time', request: { params: PredicateParam, headers, query: SpaceQuery, body: body(DeclarePredicate, 'What it is.') },
      responses: { 200: json(Predicate, 'The declaration.'), ...problems('CONSTRAINT_VIOLATION') },
    }),
    async (c) => c.json(await spaceOf(c, c.req.valid('query')).declare({ ...exact(c.req.valid('json')), predicate: c.req.valid('param').predicate }), 200),
  )
}

function factRoutes(app: App): void {
  app.openapi(
    createRoute({ method: 'get', path: '/v1/knowledge/facts', tags, summary: 'List facts, now or as of two other times', request: { headers, query: FactQuery }, responses: { 200: json(pageOf(Fact), 'A page of facts.'), ...problems('INVALID_CURSOR', 'NOT_FOUND', 'AGENT_NOT_FOUND') } }),
    async (c) => {
      const { space, ...filter } = c.req.valid('query')
      return c.json(await spaceOf(c, { space }).facts(exact(timed(filter))), 200)
    },
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/knowledge/facts', tags, summary: 'Record facts, all or none', request: { headers, query: SpaceQuery, body: body(NewFacts, 'At most 1,000.') }, responses: { 200: json(AssertedFacts, 'One for each, in their order.'), ...problems(...refusals) } }),
    async (c) => c.json({ items: await spaceOf(c, c.req.valid('query')).assertMany(exact(c.req.valid('json').facts)) }, 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/knowledge/facts/{fact}', tags, summary: 'Read a fact', request: { ...ofFact, query: SpaceQuery }, responses: { 200: json(Fact, 'The fact.'), ...problems('NOT_FOUND') } }),
    async (c) => c.json(await spaceOf(c, c.req.valid('query')).fact(c.req.valid('param').fact), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/knowledge/facts/{fact}/versions', tags, summary: 'List every version of a fact', request: { ...ofFact, query: VersionsQuery }, responses: { 200: json(pageOf(Fact), 'A page of versions, the oldest first.'), ...problems('NOT_FOUND', 'INVALID_CURSOR') } }),
    async (c) => {
      const { space, ...page } = c.req.valid('query')
      return c.json(await spaceOf(c, { space }).versions(c.req.valid('param').fact, exact(page)), 200)
    },
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/knowledge/facts/{fact}/correct', tags, summary: 'Replace what a fact says', request: { ...ofFact, query: SpaceQuery, body: body(Correction, 'What is right.') }, responses: { 200: json(Fact, 'The new version.'), ...problems('VERSION_CONFLICT', ...refusals) } }),
    async (c) => c.json(await spaceOf(c, c.req.valid('query')).correct(c.req.valid('param').fact, exact(c.req.valid('json'))), 200),
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/knowledge/facts/{fact}/invalidate', tags, summary: 'Say that a fact does not hold any more', request: { ...ofFact, query: SpaceQuery, body: body(Ending, 'Since when.', false) }, responses: { 200: json(Fact, 'The new version.'), ...problems('VERSION_CONFLICT', 'NOT_FOUND') } }),
    async (c) => c.json(await spaceOf(c, c.req.valid('query')).invalidate(c.req.valid('param').fact, exact(c.req.valid('json'))), 200),
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/knowledge/facts/{fact}/retract', tags, summary: 'Say that a fact never was true', request: { ...ofFact, query: SpaceQuery, body: body(Retraction, 'Why.', false) }, responses: { 200: json(Fact, 'The row, which is not believed any more.'), ...problems('VERSION_CONFLICT', 'NOT_FOUND') } }),
    async (c) => c.json(await spaceOf(c, c.req.valid('query')).retract(c.req.valid('param').fact, exact(c.req.valid('json'))), 200),
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/knowledge/search', tags, summary: 'Find facts by words, by meaning, or by both', request: { headers, query: SpaceQuery, body: body(FactSearch, 'What to look for.') }, responses: { 200: json(FoundFacts, 'A page of facts, the best first.'), ...problems('INVALID_CURSOR', 'NOT_FOUND') } }),
    async (c) => c.json(await spaceOf(c, c.req.valid('query')).search(exact(timed(c.req.valid('json')))), 200),
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/knowledge/ingest', tags, summary: 'Read facts out of texts by the built-in rules', request: { headers, query: SpaceQuery, body: body(IngestTexts, 'The texts.') }, responses: { 200: json(IngestResult, 'What was recorded.'), ...problems(...refusals) } }),
    async (c) => {
      const { texts, rules } = c.req.valid('json')
      return c.json(await spaceOf(c, c.req.valid('query')).ingest(exact(texts), { builtin: rules ?? true }), 200)
    },
  )
}

function walkRoutes(app: App): void {
  app.openapi(
    createRoute({ method: 'get', path: '/v1/knowledge/entities/{entity}/history', tags, summary: 'List every row there was of an entity', request: { ...ofEntity, query: HistoryQuery }, responses: { 200: json(pageOf(Fact), 'A page of rows, the oldest first.'), ...problems('NOT_FOUND', 'INVALID_CURSOR') } }),
    async (c) => {
      const { space, ...options } = c.req.valid('query')
      return c.json(await spaceOf(c, { space }).history({ ...exact(options), entity: c.req.valid('param').entity }), 200)
    },
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/knowledge/entities/{entity}/neighbourhood', tags, summary: 'List what is related to an entity', request: { ...ofEntity, query: NeighbourhoodQuery }, responses: { 200: json(Neighbourhood, 'The nearest first.'), ...problems('NOT_FOUND') } }),
    async (c) => {
      const { space, predicate, ...options } = c.req.valid('query')
      return c.json(await spaceOf(c, { space }).neighbourhood(c.req.valid('param').entity, exact(timed({ ...options, ...(predicate === undefined ? {} : { predicates: predicate }) }))), 200)
    },
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/knowledge/paths', tags, summary: 'Find the shortest ways from one entity to another', request: { headers, query: PathsQuery }, responses: { 200: json(Paths, 'The ways.'), ...problems('NOT_FOUND') } }),
    async (c) => {
      const { space, from, to, predicate, ...options } = c.req.valid('query')
      return c.json(await spaceOf(c, { space }).paths(from, to, exact(timed({ ...options, ...(predicate === undefined ? {} : { predicates: predicate }) }))), 200)
    },
  )
  app.openapi(
    createRoute({ method: 'post', path: '/v1/knowledge/graph', tags, summary: 'Merge entities, observations and relations into it', request: { headers, query: SpaceQuery, body: body(GraphToMerge, 'What is there already is not doubled.') }, responses: { 200: json(MergedGraph, 'What was added.'), ...problems('NOT_FOUND', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE') } }),
    async (c) => c.json(await spaceOf(c, c.req.valid('query')).graph.merge(c.req.valid('json')), 200),
  )
  app.openapi(
    createRoute({ method: 'get', path: '/v1/knowledge/graph', tags, summary: 'Read entities, observations and relations', request: { headers, query: GraphQuery }, responses: { 200: json(Graph, 'The graph.'), ...problems() } }),
    async (c) => {
      const { space, query, name } = c.req.valid('query')
      const { graph } = spaceOf(c, { space })
      return c.json(await (name !== undefined ? graph.openNodes(name) : query !== undefined ? graph.searchNodes(query) : graph.readGraph()), 200)
    },
  )
}
