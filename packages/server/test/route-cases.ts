import type { Answer } from './harness.ts'

/** Ids learnt on the way, by name; cases fill paths and bodies with them. */
export type World = Record<string, string>

/** One request for each route, in an order in which they work; a case may leave ids behind in the world. */
export interface RouteCase {
  readonly name: string
  /** Values of the path's parameters. */
  readonly params?: (world: World) => Record<string, string>
  readonly query?: (world: World) => string
  readonly json?: (world: World) => unknown
  /** A body of lines of JSON. */
  readonly lines?: (world: World) => string
  readonly status: number
  /** What another tenant gets for the same path. @default 404 with parameters in the path, else 200 or 201 of its own. */
  readonly intruder?: number
  readonly check?: (answer: Answer, world: World) => void
}

const id = (answer: Answer): string => answer.body['id'] as string
const agent = (): Record<string, string> => ({ agent: 'scout' })
const page = (length: number) => (answer: Answer): void => {
  const { items, nextCursor } = answer.body as { items: unknown[]; nextCursor: string | null }
  if (items.length !== length || nextCursor !== null) throw new Error(`expected ${length} items and no cursor: ${answer.text}`)
}
const has = (fields: Record<string, unknown>) => (answer: Answer): void => {
  for (const [name, value] of Object.entries(fields)) {
    if (JSON.stringify(answer.body[name]) !== JSON.stringify(value)) throw new Error(`${name} is not ${JSON.stringify(value)}: ${answer.text}`)
  }
}

export const AGENT_CASES: readonly RouteCase[] = [
  { name: 'GET /v1', status: 200 },
  { name: 'POST /v1/agent-types', json: () => ({ type: 'ranger', description: 'walks far' }), status: 201, check: has({ type: 'ranger', builtin: false }) },
  { name: 'GET /v1/agent-types', status: 200 },
  { name: 'DELETE /v1/agent-types/{type}', params: () => ({ type: 'ranger' }), status: 200, intruder: 200, check: has({ deleted: true }) },
  { name: 'POST /v1/agents', json: () => ({ name: 'scout', type: 'analyst', capabilities: ['search', { name: 'map', parameters: { scale: 2 } }] }), status: 201, check: (answer, world) => void (world['scout'] = id(answer)) },
  { name: 'POST /v1/agents', json: () => ({ name: 'base', type: 'coordinator' }), status: 201, check: (answer, world) => void (world['base'] = id(answer)) },
  { name: 'GET /v1/agents', query: () => '?capability=search&status=initializing&status=active&includeRetired=false', status: 200, check: page(1) },
  { name: 'GET /v1/agents/{agent}', params: agent, status: 200, check: has({ key: 'scout', configVersion: 1 }) },
  { name: 'PATCH /v1/agents/{agent}', params: agent, json: () => ({ description: 'finds things', parentId: 'base' }), status: 200, check: has({ configVersion: 2, description: 'finds things' }) },
  { name: 'PUT /v1/agents/{agent}/status', params: agent, json: () => ({ status: 'online', reason: 'ready' }), status: 200, check: has({ status: 'active' }) },
  { name: 'PUT /v1/agents/{agent}/health', params: agent, json: () => ({ health: 'healthy' }), status: 200, check: has({ health: 'healthy' }) },
  { name: 'POST /v1/agents/{agent}/heartbeat', params: agent, status: 200 },
  { name: 'GET /v1/agent-matches', query: () => '?anyOf=search&anyOf=nothing', status: 200, check: page(1) },
  { name: 'PATCH /v1/agents/{agent}/capabilities', params: agent, json: () => ({ capabilities: [{ name: 'map', version: '2.0.0' }] }), status: 200 },
  { name: 'GET /v1/agents/{agent}/capabilities', params: agent, status: 200, check: page(2) },
  { name: 'DELETE /v1/agents/{agent}/capabilities/{capability}', params: () => ({ agent: 'scout', capability: 'map' }), status: 200, check: has({ deleted: true }) },
  { name: 'POST /v1/agents/{agent}/dependencies', params: agent, json: () => ({ dependsOn: 'base', kind: 'optional' }), status: 201, check: has({ kind: 'optional' }) },
  { name: 'GET /v1/agents/{agent}/dependencies', params: agent, status: 200, check: page(1) },
  { name: 'GET /v1/agents/{agent}/dependents', params: () => ({ agent: 'base' }), status: 200, check: page(1) },
  { name: 'GET /v1/agent-start-order', query: () => '?agent=scout', status: 200, intruder: 404, check: (answer, world) => has({ agentIds: [world['base'], world['scout']] })(answer) },
  { name: 'DELETE /v1/agents/{agent}/dependencies/{dependsOn}', params: () => ({ agent: 'scout', dependsOn: 'base' }), status: 200, check: has({ deleted: true }) },
  { name: 'POST /v1/agents/{agent}/connections', params: agent, json: () => ({ connectionId: 'main', host: 'db.example', databaseName: 'facts' }), status: 201, check: has({ active: true, port: 5432 }) },
  { name: 'GET /v1/agents/{agent}/connections', params: agent, status: 200, check: page(1) },
  { name: 'POST /v1/agents/{agent}/connections/use', params: agent, status: 200, check: has({ connectionString: 'postgresql://db.example:5432/facts?sslmode=require' }) },
  { name: 'PATCH /v1/agents/{agent}/connections/{connection}', params: () => ({ agent: 'scout', connection: 'main' }), json: () => ({ active: false }), status: 200, check: has({ active: false }) },
  { name: 'GET /v1/agents/{agent}/children', params: () => ({ agent: 'base' }), status: 200, check: page(1) },
  { name: 'GET /v1/agents/{agent}/ancestors', params: agent, status: 200, check: page(1) },
  { name: 'GET /v1/agents/{agent}/tree', params: () => ({ agent: 'base' }), status: 200 },
  { name: 'POST /v1/agents/{agent}/instances', params: agent, json: () => ({ hostName: 'h1', processId: '42' }), status: 201, check: (answer, world) => void (world['instance'] = id(answer)) },
  { name: 'GET /v1/agents/{agent}/instances', params: agent, query: () => '?status=starting', status: 200, check: page(1) },
  { name: 'GET /v1/instances/{instance}', params: (world) => ({ instance: world['instance'] ?? '' }), status: 200, check: has({ hostName: 'h1' }) },
  { name: 'POST /v1/instances/{instance}/heartbeat', params: (world) => ({ instance: world['instance'] ?? '' }), json: () => ({ metrics: { load: 0.5 } }), status: 200, check: has({ status: 'running', metrics: { load: 0.5 } }) },
  { name: 'GET /v1/active-agents', query: () => '?type=analyst', status: 200, check: page(1) },
  { name: 'PUT /v1/instances/{instance}/status', params: (world) => ({ instance: world['instance'] ?? '' }), json: () => ({ status: 'stopping' }), status: 200, check: has({ status: 'stopping' }) },
  { name: 'POST /v1/instances/{instance}/stop', params: (world) => ({ instance: world['instance'] ?? '' }), status: 200, check: has({ status: 'stopped' }) },
  { name: 'POST /v1/instances/{instance}/restart', params: (world) => ({ instance: world['instance'] ?? '' }), status: 200, check: has({ status: 'starting', restartCount: 1 }) },
  { name: 'GET /v1/stale-instances', query: () => '?olderThanMs=86400000', status: 200, check: page(0) },
  { name: 'POST /v1/stale-instances/mark-crashed', json: () => ({ olderThanMs: 86_400_000 }), status: 200, check: has({ items: [] }) },
  { name: 'POST /v1/agents/{agent}/performance/tasks', params: agent, json: () => ({ succeeded: true, durationMs: 250, tokens: 10 }), status: 204 },
  { name: 'POST /v1/agents/{agent}/performance/interactions', params: agent, json: () => ({ succeeded: true, responseTimeMs: 80 }), status: 204 },
  { name: 'GET /v1/agents/{agent}/performance', params: agent, status: 200, check: has({ totalTasks: 1, totalTokensProcessed: 10 }) },
  { name: 'GET /v1/agents/{agent}/events', params: agent, query: () => '?type=status_change', status: 200, check: page(1) },
]

const key = (): Record<string, string> => ({ agent: 'scout', key: 'plan' })
const tagged = (world: World): Record<string, string> => ({ checkpoint: world['checkpoint'] ?? '', tag: 'good one' })
export const STATE_CASES: readonly RouteCase[] = [
  { name: 'GET /v1/pools', status: 200, check: (answer) => { if ((answer.body['pools'] as { name: string }[])[0]?.name !== 'primary') throw new Error(answer.text) } },
  { name: 'GET /v1/pools/connections', status: 200 },
  { name: 'PUT /v1/agents/{agent}/state/{key}', params: key, query: () => '?ack=durable', json: () => ({ step: 1 }), status: 200, check: has({ key: 'plan' }) },
  { name: 'GET /v1/agents/{agent}/state/{key}', params: key, status: 200, check: has({ value: { step: 1 }, expiresAt: null }) },
  { name: 'POST /v1/agents/{agent}/state-batch', params: agent, json: () => ({ set: { a: 1, b: [true] }, delete: ['never-was'] }), status: 200, check: has({ deleted: [] }) },
  { name: 'POST /v1/agents/{agent}/state-lookup', params: agent, json: () => ({ keys: ['a', 'missing'] }), status: 200 },
  { name: 'GET /v1/agents/{agent}/state', params: agent, query: () => '?prefix=p', status: 200, check: page(1) },
  { name: 'POST /v1/agents/{agent}/checkpoints', params: agent, json: () => ({ name: 'first' }), status: 201, check: (answer, world) => { has({ name: 'first', keyCount: 3 })(answer); world['checkpoint'] = id(answer) } },
  { name: 'GET /v1/agents/{agent}/checkpoints', params: agent, query: () => '?name=first', status: 200, check: page(1) },
  { name: 'GET /v1/checkpoints/{checkpoint}', params: (world) => ({ checkpoint: world['checkpoint'] ?? '' }), status: 200, check: has({ state: { a: 1, b: [true], plan: { step: 1 } } }) },
  { name: 'PUT /v1/checkpoints/{checkpoint}/tags/{tag}', params: tagged, json: () => ({ moving: true }), status: 200, check: has({ tags: ['good one'] }) },
  { name: 'GET /v1/agents/{agent}/state-at', params: agent, query: () => '?tag=good%20one', status: 200, check: has({ name: 'first' }) },
  { name: 'DELETE /v1/agents/{agent}/state/{key}', params: key, status: 200, check: has({ deleted: true }) },
  { name: 'GET /v1/checkpoints/{checkpoint}/diff', params: (world) => ({ checkpoint: world['checkpoint'] ?? '' }), status: 200, check: has({ to: 'now', added: [], unchanged: 2 }) },
  { name: 'POST /v1/checkpoints/{checkpoint}/restore', params: (world) => ({ checkpoint: world['checkpoint'] ?? '' }), status: 200, check: has({ written: 1, deleted: 0, unchanged: 2 }) },
  { name: 'POST /v1/checkpoints/{checkpoint}/fork', params: (world) => ({ checkpoint: world['checkpoint'] ?? '' }), json: () => ({ agent: 'base', name: 'copy' }), status: 201, check: has({ written: 3 }) },
  { name: 'POST /v1/agents/{agent}/checkpoints/prune', params: agent, json: () => ({ policy: { keepLast: 0, keepEvery: { day: 0 } }, dryRun: true }), status: 200, check: has({ kept: 1, removed: [] }) },
  { name: 'DELETE /v1/checkpoints/{checkpoint}/tags/{tag}', params: tagged, status: 200, intruder: 200, check: has({ deleted: true }) },
  { name: 'PUT /v1/checkpoint-policy', query: () => '?agent=scout', json: () => ({ keepLast: 5 }), status: 200, intruder: 404, check: has({ policy: { keepLast: 5 } }) },
  { name: 'GET /v1/checkpoint-policy', query: () => '?agent=scout', status: 200, intruder: 404, check: has({ policy: { keepLast: 5 } }) },
  { name: 'POST /v1/checkpoint-policy/run', json: () => ({ dryRun: true }), status: 200, intruder: 200, check: has({ results: [] }) },
  { name: 'DELETE /v1/checkpoint-policy', query: () => '?agent=scout', status: 200, intruder: 404, check: has({ deleted: true }) },
  { name: 'GET /v1/agents/{agent}/export', params: agent, status: 200, check: (answer, world) => void (world['file'] = answer.text) },
  { name: 'POST /v1/agent-imports', query: () => '?as=scout-copy', lines: (world) => world['file'] ?? '', status: 201, check: has({ key: 'scout-copy', keys: 3, checkpoints: 1 }) },
  { name: 'DELETE /v1/checkpoints/{checkpoint}', params: (world) => ({ checkpoint: world['checkpoint'] ?? '' }), status: 200, intruder: 200, check: has({ deleted: true }) },
  { name: 'PUT /v1/state-policies', json: () => ({ agent: 'scout', prefix: 'count/', strategy: 'crdt', crdtType: 'counter' }), status: 200, intruder: 404, check: (answer, world) => { has({ strategy: 'crdt', exact: false })(answer); world['policy'] = id(answer) } },
  { name: 'GET /v1/state-policies', query: () => '?strategy=crdt', status: 200, check: page(1) },
  { name: 'POST /v1/agents/{agent}/state/{key}/operations', params: () => ({ agent: 'scout', key: 'count/x' }), json: () => ({ type: 'increment', by: 2 }), status: 200, check: has({ key: 'count/x', outcome: 'merged' }) },
  { name: 'DELETE /v1/state-policies/{policy}', params: (world) => ({ policy: world['policy'] ?? '' }), status: 200, intruder: 200, check: has({ deleted: true }) },
  { name: 'POST /v1/state/flush', status: 204, intruder: 204 },
  { name: 'GET /v1/state/stats', status: 200 },
  { name: 'GET /v1/agents/{agent}/lifecycle', params: agent, status: 200, check: has({ state: 'active' }) },
  { name: 'POST /v1/agents/{agent}/flush', params: agent, status: 200 },
  { name: 'POST /v1/agents/{agent}/repair', params: agent, status: 200, check: has({ consistent: true, damaged: [] }) },
  { name: 'POST /v1/agents/{agent}/hydrate', params: agent, status: 200, check: has({ hydrated: 0 }) },
  { name: 'GET /v1/agents/{agent}/lag', params: agent, status: 200, check: has({ unflushedKeys: 0, lagMs: 0 }) },
  { name: 'GET /v1/state/memory', status: 200, check: has({ sqlRowsExact: true }) },
  { name: 'GET /v1/cache/stats', status: 200 },
  { name: 'POST /v1/cache/invalidate', json: () => ({ keys: ['k'], tags: ['t'], all: true }), status: 200, check: has({ shared: true }) },
]

const session = (world: World): Record<string, string> => ({ session: world['session'] ?? '' })
const thread = (world: World): Record<string, string> => ({ thread: world['thread'] ?? '' })
const message = (world: World): Record<string, string> => ({ message: world['message'] ?? '' })
const said = (content: string) => ({ author: { kind: 'user', label: 'Ann' }, content })
export const CONVERSATION_CASES: readonly RouteCase[] = [
  { name: 'POST /v1/chat-sessions', json: (world) => ({ key: 'trip', type: 'group', title: 'A trip', participants: [{ kind: 'agent', id: world['scout'] }] }), status: 201, intruder: 404, check: (answer, world) => void (world['session'] = id(answer)) },
  { name: 'GET /v1/chat-sessions', query: (world) => `?participant=agent:${world['scout']}`, status: 200, check: page(1) },
  { name: 'GET /v1/chat-sessions/{session}', params: () => ({ session: 'trip' }), status: 200, check: has({ title: 'A trip' }) },
  { name: 'PATCH /v1/chat-sessions/{session}', params: session, json: () => ({ title: null, context: { topic: 'maps' } }), status: 200, check: has({ title: null, context: { topic: 'maps' } }) },
  { name: 'PUT /v1/chat-sessions/{session}/summary', params: session, json: () => ({ summary: 'They talk.' }), status: 200, check: has({ summary: 'They talk.' }) },
  { name: 'POST /v1/chat-sessions/{session}/participants', params: session, json: () => ({ kind: 'user', id: 'u/1', role: 'host' }), status: 201, check: has({ role: 'host' }) },
  { name: 'DELETE /v1/chat-sessions/{session}/participants/{kind}/{id}', params: (world) => ({ ...session(world), kind: 'user', id: 'u/1' }), status: 200 },
  { name: 'GET /v1/chat-sessions/{session}/participants', params: session, query: () => '?includeLeft=true', status: 200, check: page(2) },
  { name: 'POST /v1/chat-sessions/{session}/threads', params: session, json: () => ({ key: 'day-1', startedAt: '2026-05-08T13:56:00Z' }), status: 201, check: (answer, world) => { has({ startedAt: '2026-05-08T13:56:00.000Z' })(answer); world['thread'] = id(answer) } },
  { name: 'GET /v1/chat-sessions/{session}/threads', params: session, query: () => '?type=chat', status: 200, check: page(1) },
  { name: 'GET /v1/threads', query: (world) => `?sessionId=${world['session']}`, status: 200, check: page(1) },
  { name: 'GET /v1/threads/{thread}', params: () => ({ thread: 'day-1' }), status: 200 },
  { name: 'PATCH /v1/threads/{thread}', params: thread, json: () => ({ metadata: { mood: 'good' } }), status: 200, check: has({ metadata: { mood: 'good' } }) },
  { name: 'POST /v1/threads/{thread}/messages', params: thread, json: () => said('Hello'), status: 201, check: (answer, world) => { has({ seq: 1, content: 'Hello' })(answer); world['message'] = id(answer) } },
  { name: 'POST /v1/threads/{thread}/messages/batch', params: thread, json: (world) => ({ messages: [said('one'), { ...said('two'), replyTo: world['message'] }] }), status: 201 },
  { name: 'GET /v1/threads/{thread}/messages', params: thread, query: () => '?order=desc&after=1', status: 200, check: page(2) },
  { name: 'GET /v1/chat-sessions/{session}/messages', params: session, status: 200, check: page(3) },
  { name: 'GET /v1/messages/{message}', params: message, status: 200, check: has({ content: 'Hello' }) },
  { name: 'PATCH /v1/messages/{message}', params: message, json: () => ({ content: 'Hello there' }), status: 200, check: has({ content: 'Hello there', editCount: 1 }) },
  { name: 'GET /v1/messages/{message}/edits', params: message, status: 200, check: page(1) },
  { name: 'POST /v1/threads/{thread}/complete', params: thread, json: () => ({ durationSeconds: 60 }), status: 200, check: has({ status: 'completed', durationSeconds: 60 }) },
  { name: 'POST /v1/chat-sessions/mark-idle', json: () => ({ idleForMs: 86_400_000 }), status: 200, check: has({ count: 0 }) },
  { name: 'POST /v1/chat-sessions/{session}/end', params: session, status: 200, check: has({ status: 'ended' }) },
  { name: 'POST /v1/agents/{agent}/retire', params: agent, status: 200, check: has({ status: 'terminated' }) },
]

const history = (): Record<string, string> => ({ history: 'talk/1' })
const inSupport = (): string => '?namespace=support'
const change = (itemCount: number): Pick<RouteCase, 'params' | 'query' | 'check'> => ({ params: history, query: inSupport, check: has({ applied: true, itemCount }) })
export const HISTORY_CASES: readonly RouteCase[] = [
  { ...change(3), name: 'POST /v1/histories/{history}/items', json: () => ({ items: [{ role: 'user' }, 'two', null], ttlMs: 86_400_000 }), status: 201, intruder: 201 },
  { name: 'GET /v1/histories', query: () => '?namespace=support&prefix=talk', status: 200, intruder: 200, check: page(1) },
  { name: 'DELETE /v1/histories/{history}', params: () => ({ history: 'none' }), status: 200, intruder: 200, check: has({ deleted: false }) },
  { name: 'GET /v1/histories/{history}', params: history, status: 404 },
  { name: 'GET /v1/histories/{history}', params: history, query: inSupport, status: 200, intruder: 200, check: has({ key: 'talk/1', namespace: 'support', itemCount: 3 }) },
  { name: 'GET /v1/histories/{history}/items', params: history, query: () => '?namespace=support&order=desc&after=1', status: 200, intruder: 200, check: page(2) },
  { name: 'GET /v1/histories/{history}/newest', params: history, query: () => '?namespace=support&limit=2', status: 200, intruder: 200, check: has({ items: ['two', null] }) },
  { ...change(2), name: 'PATCH /v1/histories/{history}/items', json: () => ({ changes: [{ seq: 1, item: 'one' }, { seq: 3, remove: true }] }), status: 200, intruder: 200 },
  { ...change(2), name: 'POST /v1/histories/{history}/replace-suffix', json: () => ({ expected: ['two'], replacement: [2] }), status: 200, intruder: 200 },
  { name: 'POST /v1/histories/{history}/replace-suffix', params: history, query: inSupport, json: () => ({ expected: ['two'], replacement: [] }), status: 412, intruder: 412, check: (answer) => has({ found: [2] })({ ...answer, body: answer.body['details'] as Answer['body'] }) },
  { name: 'POST /v1/histories/{history}/pop', params: history, query: inSupport, status: 200, intruder: 200, check: has({ popped: { seq: 4, item: 2 } }) },
  { ...change(4), name: 'PUT /v1/histories/{history}/items', json: () => ({ items: [1, 2, 3, 4] }), status: 200, intruder: 200 },
  { ...change(0), name: 'POST /v1/histories/{history}/clear', status: 200, intruder: 200 },
  { name: 'DELETE /v1/histories/{history}', params: history, status: 200, intruder: 200, check: has({ deleted: false }) },
]

const breaker = () => ({ service: 'api' })
export const BREAKER_CASES: readonly RouteCase[] = [
  { name: 'PUT /v1/breakers/{service}/config', params: breaker, json: () => ({ failureThreshold: 2 }), status: 200, intruder: 200, check: has({ service: 'api', state: 'closed' }) },
  { name: 'POST /v1/breakers/{service}/open', params: breaker, json: () => ({ reason: 'they are away' }), status: 200, intruder: 200, check: has({ state: 'open', forced: true, nextAttemptAt: null }) },
  { name: 'GET /v1/breakers', status: 200, check: page(1) },
  { name: 'POST /v1/breakers/{service}/close', params: breaker, status: 200, intruder: 200, check: has({ state: 'closed', forced: true }) },
  { name: 'POST /v1/breakers/{service}/reset', params: breaker, status: 200, intruder: 200, check: has({ state: 'closed', forced: false }) },
  { name: 'GET /v1/breakers/{service}', params: breaker, status: 200, intruder: 200, check: has({ service: 'api' }) },
  { name: 'GET /v1/breaker-events', status: 200, check: page(3) },
]

const notes = (): Record<string, string> => ({ collection: 'notes', key: 'a/b ü' })
export const DOCUMENT_CASES: readonly RouteCase[] = [
  { name: 'PUT /v1/documents/{collection}/items/{key}', params: notes, query: () => '?path=users&path=7', json: () => ({ value: { text: 'likes pizza', n: 5 }, ttlMs: 3_600_000 }), status: 200, intruder: 200, check: has({ path: ['users', '7'], key: 'a/b ü', revision: 1, embedding: 'none' }) },
  { name: 'DELETE /v1/documents/{collection}/items/{key}', params: () => ({ ...notes(), key: 'never' }), status: 200, intruder: 200, check: has({ deleted: false }) },
  { name: 'POST /v1/documents/{collection}/batch', params: notes, json: () => ({ put: [{ key: 'x', value: { n: 1 }, index: false }, { path: ['users'], key: 'y', value: {} }], delete: [{ key: 'none' }] }), status: 200, intruder: 200, check: has({ deleted: 0 }) },
  { name: 'GET /v1/documents/{collection}/items/{key}', params: () => ({ ...notes(), key: 'x' }), query: () => '?refreshTtl=true', status: 200, intruder: 200, check: has({ value: { n: 1 }, expiresAt: null }) },
  { name: 'GET /v1/documents/{collection}/items/{key}', params: () => ({ ...notes(), collection: 'other' }), status: 404 },
  { name: 'POST /v1/documents/{collection}/lookup', params: notes, json: () => ({ refs: [{ key: 'x' }, { key: 'none' }] }), status: 200, intruder: 200, check: (answer) => { if ((answer.body['items'] as unknown[])[1] !== null) throw new Error(answer.text) } },
  { name: 'POST /v1/documents/{collection}/search', params: notes, json: () => ({ query: 'pizzas', prefix: ['users'], filter: { n: { $gt: 4 } } }), status: 200, intruder: 200, check: (answer) => { page(1)(answer); has({ mode: 'text', degraded: null })(answer) } },
  { name: 'POST /v1/documents/{collection}/search', params: notes, json: () => ({ query: 'pizzas', mode: 'vector' }), status: 200, intruder: 200, check: has({ mode: 'text' }) },
  { name: 'POST /v1/documents/{collection}/search', params: notes, json: () => ({ filter: { n: { $like: 1 } } }), status: 400, intruder: 400 },
  { name: 'GET /v1/documents/{collection}/paths', params: notes, query: () => '?prefix=users&maxDepth=1', status: 200, intruder: 200, check: has({ items: [['users']] }) },
  { name: 'GET /v1/documents', status: 200, check: has({ items: [{ name: 'notes', documents: 3, embedded: 0 }] }) },
]

const task = (world: World): Record<string, string> => ({ task: world['task'] ?? '' })
const second = (world: World): Record<string, string> => ({ task: world['second'] ?? '' })
const worker = (world: World): Record<string, string> => ({ worker: world['worker'] ?? '' })
const first = (answer: Answer): string => (answer.body['items'] as { id: string }[])[0]?.id ?? ''
export const TASK_CASES: readonly RouteCase[] = [
  { name: 'POST /v1/tasks', json: () => ({ type: 'summarize', key: 'first', payload: { page: 1 }, priority: 'high', delayMs: 3_600_000, backoff: { baseMs: 3_600_000, maxMs: 3_600_000 } }), status: 201, check: (answer, world) => { has({ key: 'first', status: 'pending', isNew: true })(answer); world['task'] = id(answer) } },
  { name: 'POST /v1/tasks', json: () => ({ type: 'summarize', key: 'first' }), status: 200, check: (answer, world) => has({ id: world['task'], isNew: false })(answer) },
  { name: 'POST /v1/tasks/batch', json: () => ({ tasks: [{ type: 'join', ref: 'j', dependsOn: ['k'] }, { type: 'join', ref: 'k', delayMs: 3_600_000 }] }), status: 201, check: (answer, world) => void (world['second'] = first(answer)) },
  { name: 'GET /v1/tasks', query: () => '?type=summarize&status=pending&status=queued', status: 200, check: page(1) },
  { name: 'GET /v1/tasks/{task}', params: () => ({ task: 'first' }), status: 200, check: has({ type: 'summarize', priority: 'high', payload: { page: 1 }, maxRetries: 3 }) },
  { name: 'POST /v1/tasks/{task}/pause', params: task, status: 200, check: has({ status: 'paused' }) },
  { name: 'POST /v1/tasks/{task}/resume', params: task, status: 200, check: has({ status: 'pending' }) },
  { name: 'POST /v1/tasks/{task}/dependencies', params: second, json: (world) => ({ task: world['task'], kind: 'data', as: 'summary' }), status: 204 },
  { name: 'GET /v1/tasks/{task}/dependencies', params: second, status: 200, intruder: 200, check: page(2) },
  { name: 'GET /v1/tasks/{task}/dependents', params: task, status: 200, intruder: 200, check: page(1) },
  { name: 'POST /v1/tasks/{task}/assignments', params: task, json: () => ({ agent: 'base', role: 'primary' }), status: 204 },
  { name: 'GET /v1/tasks/{task}/assignments', params: task, status: 200, intruder: 200, check: page(1) },
  { name: 'DELETE /v1/tasks/{task}/assignments/{agent}', params: (world) => ({ ...task(world), agent: 'base' }), status: 200, check: has({ deleted: true }) },
  { name: 'POST /v1/tasks/{task}/cancel', params: task, json: () => ({ reason: 'not needed' }), status: 200, check: has({ status: 'cancelled', failureReason: 'not needed' }) },
  { name: 'GET /v1/tasks/{task}/executions', params: task, status: 200, intruder: 200, check: page(0) },
  { name: 'POST /v1/tasks/{task}/retry', params: task, status: 200, check: has({ status: 'queued', attempts: 0 }) },
  { name: 'GET /v1/task-dead-letters', query: () => '?reason=dependency_failed', status: 200, check: page(1) },
  { name: 'POST /v1/task-dead-letters/redrive', json: () => ({ reason: 'dependency_failed' }), status: 200, check: (answer, world) => has({ items: [world['second']] })(answer) },
  { name: 'PUT /v1/task-limits/type/{name}', params: () => ({ name: 'join' }), json: () => ({ maxRunning: 2, rate: { count: 10, perMs: 1000 } }), status: 204, intruder: 204 },
  { name: 'PUT /v1/task-limits/agent/{agent}', params: () => ({ agent: 'base' }), json: () => ({ maxRunning: 1 }), status: 204 },
  { name: 'GET /v1/task-limits', status: 200, check: page(2) },
  { name: 'DELETE /v1/task-limits/{scope}/{name}', params: () => ({ scope: 'agent', name: 'base' }), status: 200, check: has({ deleted: true }) },
  { name: 'GET /v1/task-workers', status: 200, check: page(0) },
  { name: 'POST /v1/task-claims', json: () => ({ types: ['summarize'], most: 1, waitMs: 50 }), status: 200, check: (answer, world) => {
    const { worker, tasks: [claimed] } = answer.body as { worker: string; tasks: { id: string; lease: string }[] }
    if (claimed === undefined || claimed.id !== world['task']) throw new Error(answer.text)
    Object.assign(world, { worker, lease: claimed.lease })
  } },
  { name: 'POST /v1/task-claims', json: (world) => ({ types: ['summarize'], worker: world['worker'], holding: [], held: 5 }), status: 200, intruder: 409, check: (answer, world) => {
    const { tasks: [again], held } = answer.body as { tasks: { id: string; lease: string }[]; held: unknown }
    if (again?.id !== world['task'] || again?.lease === world['lease']) throw new Error(answer.text)
    Object.assign(world, { lease: again?.lease })
    if (JSON.stringify(held) !== JSON.stringify([{ task: again?.id, lease: again?.lease, attempt: 1 }])) throw new Error(answer.text)
  } },
  { name: 'POST /v1/task-claims', json: (world) => ({ types: ['summarize'], worker: world['worker'], holding: [{ task: world['task'] }] }), status: 400, intruder: 400 },
  { name: 'POST /v1/task-workers/{worker}/heartbeat', params: worker, query: () => '?held=many', status: 400, intruder: 400 },
  { name: 'POST /v1/task-workers/{worker}/heartbeat', params: worker, query: () => '?held=5', status: 200, intruder: 409, check: (answer, world) => has({ cancel: [], lost: [], held: [{ task: world['task'], lease: world['lease'], attempt: 1 }], moreHeld: 0 })(answer) },
  { name: 'PUT /v1/task-workers/{worker}/progress', params: worker, json: (world) => ({ task: world['task'], lease: world['lease'], progress: { page: 1 } }), status: 204, intruder: 409 },
  { name: 'POST /v1/task-workers/{worker}/ends', params: worker, json: (world) => ({ ends: [{ task: world['task'], lease: world['lease'], status: 'failed', error: 'page 1 is torn', details: { page: 1 }, usage: { memoryMb: 3 } }] }), status: 200, intruder: 200, check: (answer, world) => has({ accepted: [world['task']], refused: [] })(answer) },
  { name: 'DELETE /v1/task-workers/{worker}', params: worker, status: 200, intruder: 200, check: has({ deleted: true, handedBack: 0 }) },
  { name: 'GET /v1/task-stats', status: 200, check: has({ openDeadLetters: 0, workers: 0, byStatus: { pending: 3, queued: 0, running: 0, paused: 0 } }) },
]

const schedule = (world: World): Record<string, string> => ({ schedule: world['schedule'] ?? '' })
const nightly = { cron: '30 2 * * *', timeZone: 'Europe/Berlin', task: { type: 'report', payload: { of: 'yesterday' } } }
export const SCHEDULE_CASES: readonly RouteCase[] = [
  { name: 'POST /v1/schedules', json: () => ({ key: 'nightly/report', ...nightly }), status: 201, check: (answer, world) => { has({ key: 'nightly/report', status: 'active', catchUp: 'one', everyMs: null })(answer); world['schedule'] = id(answer) } },
  { name: 'POST /v1/schedules', json: () => ({ key: 'bad', ...nightly, cron: '61 * * * *' }), status: 400, intruder: 400 },
  { name: 'GET /v1/schedules', query: () => '?status=active', status: 200, check: page(1) },
  { name: 'PUT /v1/schedules/{schedule}', params: () => ({ schedule: 'nightly/report' }), json: () => ({ ...nightly, catchUp: 'all', startsAt: '2026-01-01T00:00:00Z' }), status: 200, intruder: 200, check: has({ catchUp: 'all', runCount: 0 }) },
  { name: 'GET /v1/schedules/{schedule}', params: schedule, status: 200, check: has({ key: 'nightly/report', timeZone: 'Europe/Berlin', task: nightly.task }) },
  { name: 'GET /v1/schedules/{schedule}/next', params: schedule, query: () => '?count=3', status: 200, check: (answer) => { if ((answer.body['items'] as unknown[]).length !== 3) throw new Error(answer.text) } },
  { name: 'POST /v1/schedules/{schedule}/pause', params: schedule, status: 200, check: has({ status: 'paused', nextRunAt: null }) },
  { name: 'POST /v1/schedules/{schedule}/trigger', params: schedule, json: () => ({ operationId: 'one' }), status: 201, check: has({ status: 'queued', isNew: true }) },
  { name: 'POST /v1/schedules/{schedule}/trigger', params: schedule, json: () => ({ operationId: 'one' }), status: 200, check: has({ isNew: false }) },
  { name: 'POST /v1/schedules/{schedule}/resume', params: schedule, status: 200, check: has({ status: 'active' }) },
  { name: 'DELETE /v1/schedules/{schedule}', params: schedule, status: 200, intruder: 200, check: has({ deleted: true }) },
]

const lineage = (): Record<string, string> => ({ thread: 'ticket/17' })
const inGraphs = (): string => '?namespace=graphs'

/** The thread `ticket/17` of namespace `graphs`, with three checkpoints, is there before. */
export const LINEAGE_CASES: readonly RouteCase[] = [
  { name: 'GET /v1/lineages', query: () => '?namespace=graphs&prefix=ticket', status: 200, check: page(1) },
  { name: 'GET /v1/lineages/{thread}/checkpoints', params: lineage, query: () => '?namespace=graphs&path=', status: 200, check: page(3) },
  { name: 'GET /v1/lineages/{thread}/checkpoints', params: lineage, status: 404 },
  { name: 'POST /v1/lineages/{thread}/copy', params: lineage, json: () => ({ namespace: 'graphs', to: 'copy' }), status: 201, check: has({ thread: 'copy' }) },
  { name: 'POST /v1/lineages/{thread}/copy', params: lineage, json: () => ({ namespace: 'graphs', to: 'copy' }), status: 409, intruder: 404 },
  { name: 'POST /v1/lineages/prune', json: () => ({ namespace: 'graphs', threads: ['copy'], keepLast: 1, olderThan: '2999-01-01T00:00:00Z' }), status: 200, intruder: 200, check: has({ removed: 2, rewritten: 1 }) },
  { name: 'POST /v1/lineages/prune', json: () => ({ namespace: 'graphs', threads: ['copy'] }), status: 400, intruder: 400 },
  { name: 'DELETE /v1/lineages/{thread}', params: lineage, query: inGraphs, status: 200, intruder: 200, check: has({ deleted: true }) },
  { name: 'DELETE /v1/lineages/{thread}', params: lineage, query: inGraphs, status: 200, intruder: 200, check: has({ deleted: false }) },
]

const named = (value: string) => (answer: Answer): void => has({ name: value })(answer)
export const MESSAGE_CASES: readonly RouteCase[] = [
  { name: 'POST /v1/agents', json: () => ({ name: 'sender', type: 'analyst' }), status: 201, check: (answer, world) => void (world['sender'] = id(answer)) },
  { name: 'POST /v1/agents', json: () => ({ name: 'reader', type: 'operator' }), status: 201, check: (answer, world) => void (world['reader'] = id(answer)) },
  { name: 'POST /v1/channels', json: () => ({ name: 'news', pattern: 'topic', configuration: { ttlMs: 60_000 } }), status: 201, check: named('news') },
  { name: 'GET /v1/channels', status: 200, check: page(1) },
  { name: 'GET /v1/channels/{channel}', params: () => ({ channel: 'news' }), status: 200, check: has({ pattern: 'topic' }) },
  { name: 'PATCH /v1/channels/{channel}', params: () => ({ channel: 'news' }), json: () => ({ description: 'what is new' }), status: 200, check: has({ description: 'what is new' }) },
  { name: 'POST /v1/message-queues', json: () => ({ name: 'jobs', type: 'fifo', maxSize: 5 }), status: 201, check: has({ maxSize: 5, currentSize: 0 }) },
  { name: 'GET /v1/message-queues', status: 200, check: page(1) },
  { name: 'GET /v1/message-queues/{queue}', params: () => ({ queue: 'jobs' }), status: 200 },
  { name: 'PATCH /v1/message-queues/{queue}', params: () => ({ queue: 'jobs' }), json: () => ({ maxSize: 6 }), status: 200, check: has({ maxSize: 6 }) },
  { name: 'POST /v1/subscriptions', json: () => ({ agent: 'reader', channel: 'news', pattern: 'a.*', filter: { payload: { n: { gt: 1 } } } }), status: 201, intruder: 404, check: (answer, world) => void (world['subscription'] = id(answer)) },
  { name: 'GET /v1/subscriptions', status: 200, check: page(1) },
  { name: 'POST /v1/agent-messages', json: () => ({ from: 'sender', channel: 'news', subject: 'a.b', payload: { n: 2 } }), status: 201, intruder: 404, check: (answer, world) => { has({ recipients: 1, duplicate: false })(answer); world['sent'] = id(answer) } },
  { name: 'POST /v1/agent-messages/batch', json: () => ({ messages: [{ from: 'sender', to: 'reader', payload: null, maxRetries: 0 }, { queue: 'jobs' }] }), status: 201, intruder: 404 },
  { name: 'GET /v1/agent-messages', query: (world) => `?between=${world['sender']},${world['reader']}&limit=5`, status: 200, check: page(1) },
  { name: 'GET /v1/agent-messages/{message}', params: (world) => ({ message: world['sent'] ?? '' }), status: 200, check: has({ payload: { n: 2 } }) },
  { name: 'POST /v1/agents/{agent}/inbox', params: () => ({ agent: 'reader' }), json: () => ({ limit: 1, channels: ['news'] }), status: 200, check: (answer, world) => {
    const [message] = answer.body['messages'] as { deliveryId: number; leaseNo: number }[]
    world['delivery'] = String(message?.deliveryId)
    world['lease'] = String(message?.leaseNo)
  } },
  { name: 'POST /v1/inbox-settlements', params: () => ({}), json: (world) => ({ deliveryId: Number(world['delivery']), leaseNo: Number(world['lease']), outcome: 'ack' }), status: 200, intruder: 409, check: has({ settled: true }) },
  { name: 'POST /v1/agents/{agent}/inbox', params: () => ({ agent: 'reader' }), json: () => ({}), status: 200, check: (answer, world) => {
    const [message] = answer.body['messages'] as { deliveryId: number; leaseNo: number }[]
    world['delivery'] = String(message?.deliveryId)
    world['lease'] = String(message?.leaseNo)
  } },
  { name: 'POST /v1/inbox-settlements', params: () => ({}), json: (world) => ({ deliveryId: Number(world['delivery']), leaseNo: Number(world['lease']), outcome: 'nack', error: 'no' }), status: 200, intruder: 409 },
  { name: 'GET /v1/message-dead-letters', status: 200, check: (answer, world) => { page(1)(answer); world['letter'] = (answer.body['items'] as { id: string }[])[0]?.id ?? '' } },
  { name: 'POST /v1/message-dead-letters/redrive', json: (world) => ({ ids: [world['letter']] }), status: 200 },
  { name: 'POST /v1/agent-requests', params: () => ({}), json: () => ({ from: 'sender', to: 'reader', correlationId: '0198f7a4-0000-7000-8000-00000000000a', timeoutMs: 30 }), status: 504, intruder: 404 },
  { name: 'GET /v1/agent-requests/{correlation}/reply', params: () => ({ correlation: '0198f7a4-0000-7000-8000-00000000000a' }), query: () => '?timeoutMs=20', status: 504, intruder: 504 },
  { name: 'GET /v1/channels/{channel}/stats', params: () => ({ channel: 'news' }), status: 200, check: has({ messages: 1, subscribers: 1 }) },
  { name: 'DELETE /v1/subscriptions/{subscription}', params: (world) => ({ subscription: world['subscription'] ?? '' }), status: 200, intruder: 404, check: has({ cancelled: 0 }) },
]
