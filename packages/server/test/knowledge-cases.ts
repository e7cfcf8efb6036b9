import type { RouteCase, World } from './route-cases.ts'

const ada = (): Record<string, string> => ({ entity: 'Ada' })
const fact = (world: World): Record<string, string> => ({ fact: world['fact'] ?? '' })
const tells = (fields: Record<string, unknown>): NonNullable<RouteCase['check']> => ({ body, text }) => {
  for (const [name, value] of Object.entries(fields)) if (JSON.stringify(body[name]) !== JSON.stringify(value)) throw new Error(`${name} is not ${JSON.stringify(value)}: ${text}`)
}
const many = (length: number, field = 'items'): NonNullable<RouteCase['check']> => ({ body, text }) => {
  if ((body[field] as unknown[]).length !== length) throw new Error(`expected ${length} ${field}: ${text}`)
}
/** The new id of a fact is that of its last version. */
const keep: NonNullable<RouteCase['check']> = ({ body }, world) => void (world['fact'] = body['id'] as string)

export const KNOWLEDGE_CASES: readonly RouteCase[] = [
  { name: 'POST /v1/knowledge/entities', query: () => '?space=notes', json: () => ({ name: 'Ada', type: 'person', aliases: ['Countess'] }), status: 201, check: tells({ name: 'Ada', type: 'person', aliases: ['Countess'], space: 'notes' }) },
  { name: 'POST /v1/knowledge/entities', query: () => '?space=notes', json: () => ({ name: 'Countess', type: 'person' }), status: 409, intruder: 201 },
  { name: 'GET /v1/knowledge/entities', query: () => '?space=notes&type=person&prefix=A', status: 200, check: many(1) },
  { name: 'GET /v1/knowledge/entities/{entity}', params: () => ({ entity: 'Countess' }), query: () => '?space=notes', status: 200, intruder: 200, check: tells({ name: 'Ada' }) },
  { name: 'POST /v1/knowledge/entities/{entity}/aliases', params: ada, query: () => '?space=notes', json: () => ({ aliases: ['A/B'] }), status: 200, intruder: 404, check: tells({ aliases: ['A/B', 'Countess'] }) },
  { name: 'PUT /v1/knowledge/predicates/{predicate}', params: () => ({ predicate: 'home' }), query: () => '?space=notes', json: () => ({ functional: true }), status: 200, intruder: 200, check: tells({ functional: true }) },
  { name: 'GET /v1/knowledge/predicates', query: () => '?space=elsewhere', status: 200, check: many(0) },
  {
    name: 'POST /v1/knowledge/facts', query: () => '?space=notes', status: 200,
    json: () => ({ facts: [{ entity: 'Ada', predicate: 'home', value: { city: 'Oslo' }, validFrom: '2020-01-01T00:00:00Z', evidence: { text: 'said' } }, { entity: 'Ada', predicate: 'knows', object: { name: 'Bob', type: 'person' }, confidence: 0.5 }] }),
    check: ({ body, text }, world) => {
      const [first, second] = body['items'] as { fact: { id: string; value: unknown }; isNew: boolean }[]
      if (first?.isNew !== true || second?.fact.value !== 'Bob') throw new Error(text)
      world['fact'] = first.fact.id
    },
  },
  { name: 'POST /v1/knowledge/facts', query: () => '?space=notes', json: () => ({ facts: [{ entity: 'Ada', predicate: '', value: 1 }] }), status: 400, intruder: 400 },
  { name: 'GET /v1/knowledge/facts', query: () => '?space=notes&predicate=home&validAt=2020-06-01T00:00:00Z&minConfidence=0.9&object=Bob', status: 200, intruder: 404, check: many(0) },
  { name: 'GET /v1/knowledge/facts', query: () => '?space=notes&entity=Ada&anyTime=true', status: 200, intruder: 404, check: many(2) },
  { name: 'GET /v1/knowledge/facts/{fact}', params: fact, query: () => '?space=notes', status: 200, check: tells({ predicate: 'home', functional: true, value: { city: 'Oslo' }, recordedUntil: null }) },
  { name: 'POST /v1/knowledge/facts/{fact}/correct', params: fact, query: () => '?space=notes', json: () => ({ value: 'Rome', note: 'misheard' }), status: 200, check: (answer, world) => { tells({ value: 'Rome', originId: world['fact'] })(answer, world); keep(answer, world) } },
  { name: 'POST /v1/knowledge/facts/{fact}/invalidate', params: fact, query: () => '?space=notes', json: () => ({ at: '2021-01-01T00:00:00Z' }), status: 200, check: (answer, world) => { tells({ validUntil: '2021-01-01T00:00:00.000Z' })(answer, world); keep(answer, world) } },
  { name: 'POST /v1/knowledge/facts/{fact}/retract', params: fact, query: () => '?space=notes', status: 200, check: tells({ endedBy: 'retracted' }) },
  { name: 'POST /v1/knowledge/facts/{fact}/retract', params: fact, query: () => '?space=notes', status: 412 },
  { name: 'GET /v1/knowledge/facts/{fact}/versions', params: fact, query: () => '?space=notes', status: 200, check: many(3) },
  { name: 'GET /v1/knowledge/entities/{entity}/history', params: ada, query: () => '?space=notes&predicate=home', status: 200, check: many(3) },
  { name: 'POST /v1/knowledge/search', query: () => '?space=notes', json: () => ({ query: 'know', recordedAt: '2999-01-01T00:00:00Z' }), status: 200, check: many(1) },
  { name: 'POST /v1/knowledge/ingest', query: () => '?space=notes', json: () => ({ texts: ['Bob likes tea.', { text: 'Bob knows Cy.', evidence: { source: 'chat' } }], rules: ['knows'] }), status: 200, check: many(1, 'facts') },
  { name: 'GET /v1/knowledge/entities/{entity}/neighbourhood', params: ada, query: () => '?space=notes&depth=2&predicate=knows', status: 200, check: many(3, 'entities') },
  { name: 'GET /v1/knowledge/paths', query: () => '?space=notes&from=Cy&to=Ada', status: 200, intruder: 404, check: many(1, 'paths') },
  { name: 'POST /v1/knowledge/graph', query: () => '?space=merged', json: () => ({ entities: [{ name: 'Eve', entityType: 'person', observations: ['likes tea'] }], relations: [{ from: 'Eve', to: 'Ada', relationType: 'knows' }] }), status: 200, intruder: 200, check: tells({ entities: 1, observations: 1, relations: 1 }) },
  { name: 'POST /v1/knowledge/graph', query: () => '?space=merged', json: () => ({ entities: [{ name: '', entityType: 'person', observations: [] }], relations: [] }), status: 400, intruder: 400 },
  { name: 'GET /v1/knowledge/graph', query: () => '?space=notes&name=Ada', status: 200, intruder: 200, check: many(1, 'entities') },
  { name: 'POST /v1/knowledge/entities/{entity}/merge', params: () => ({ entity: 'Cy' }), query: () => '?space=notes', json: () => ({ into: 'Ada', note: 'one' }), status: 200, intruder: 404, check: tells({ moved: 1, dropped: 0 }) },
  { name: 'DELETE /v1/knowledge/entities/{entity}', params: ada, query: () => '?space=notes', status: 200, check: tells({ entities: 2 }) },
]
