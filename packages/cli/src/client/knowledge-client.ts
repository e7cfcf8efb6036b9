import type {
  AssertedFact, Cairn, Entity, EntityFilter, Fact, FactFilter, FactHistoryOptions, FactSearchOptions, FactSearchResult, KnowledgeGraphData, KnowledgePaths, KnowledgeSpace, MergedGraph, NewFact, Page, PathSearchOptions,
} from '@cairn/core'
import type { Json } from './cairn-client.ts'
import type { Http } from './http.ts'

/** What the commands ask of knowledge; `space` undefined is the default one. */
export interface KnowledgeClient {
  entities(space: string | undefined, filter: EntityFilter): Promise<Json<Page<Entity>>>
  facts(space: string | undefined, filter: FactFilter): Promise<Json<Page<Fact>>>
  add(space: string | undefined, fact: NewFact): Promise<Json<AssertedFact>>
  search(space: string | undefined, options: FactSearchOptions): Promise<Json<FactSearchResult>>
  paths(space: string | undefined, from: string, to: string, options: PathSearchOptions): Promise<Json<KnowledgePaths>>
  merge(space: string | undefined, graph: KnowledgeGraphData): Promise<MergedGraph>
  history(space: string | undefined, options: FactHistoryOptions): Promise<Json<Page<Fact>>>
}

export function localKnowledge({ knowledge }: Cairn): KnowledgeClient {
  const of = (space: string | undefined): KnowledgeSpace => knowledge.use(space === undefined ? {} : { space })
  return {
    entities: async (space, filter) => json(await of(space).entities(filter)),
    facts: async (space, filter) => json(await of(space).facts(filter)),
    add: async (space, fact) => json(await of(space).assert(fact)),
    search: async (space, options) => json(await of(space).search(options)),
    paths: async (space, from, to, options) => json(await of(space).paths(from, to, options)),
    merge: (space, graph) => of(space).graph.merge(graph),
    history: async (space, options) => json(await of(space).history(options)),
  }
}

export function httpKnowledge(http: Http): KnowledgeClient {
  const within = (space: string | undefined): string => (space === undefined ? '' : `?${new URLSearchParams({ space }).toString()}`)
  return {
    entities: (space, filter) => http.get('/v1/knowledge/entities', { space, ...filter }),
    facts: (space, { asOf, ...filter }) => http.get('/v1/knowledge/facts', { space, ...withoutValues(filter), ...times(asOf) }),
    add: async (space, fact) => (await http.post<{ items: Json<AssertedFact>[] }>(`/v1/knowledge/facts${within(space)}`, { facts: [fact] })).items[0] as Json<AssertedFact>,
    search: (space, { asOf, ...options }) => http.post(`/v1/knowledge/search${within(space)}`, { ...options, ...times(asOf) }),
    paths: (space, from, to, { maxDepth, limit, direction, asOf }) => http.get('/v1/knowledge/paths', { space, from, to, maxDepth, limit, direction, ...times(asOf) }),
    merge: (space, graph) => http.post(`/v1/knowledge/graph${within(space)}`, graph),
    history: (space, { entity, ...options }) => http.get(`/v1/knowledge/entities/${encodeURIComponent(entity)}/history`, { space, ...options }),
  }
}

function withoutValues({ contains: _contains, ...filter }: Omit<FactFilter, 'asOf'>): Omit<FactFilter, 'asOf' | 'contains'> {
  return filter
}

function times(asOf: FactFilter['asOf']): Record<string, string> {
  const text = (time: Date | string): string => (typeof time === 'string' ? time : time.toISOString())
  return { ...(asOf?.valid === undefined ? {} : { validAt: text(asOf.valid) }), ...(asOf?.recorded === undefined ? {} : { recordedAt: text(asOf.recorded) }) }
}

function json<T>(value: T): Json<T> {
  return JSON.parse(JSON.stringify(value)) as Json<T>
}
