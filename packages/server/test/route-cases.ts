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
export const STATE_CASES: readonly RouteCase[] = [
  { name: 'PUT /v1/agents/{agent}/state/{key}', params: key, query: () => '?ack=durable', json: () => ({ step: 1 }), status: 200, check: has({ key: 'plan' }) },
  { name: 'GET /v1/agents/{agent}/state/{key}', params: key, status: 200, check: has({ value: { step: 1 }, expiresAt: null }) },
  { name: 'POST /v1/agents/{agent}/state-batch', params: agent, json: () => ({ set: { a: 1, b: [true] }, delete: ['never-was'] }), status: 200, check: has({ deleted: [] }) },
  { name: 'POST /v1/agents/{agent}/state-lookup', params: agent, json: () => ({ keys: ['a', 'missing'] }), status: 200 },
  { name: 'GET /v1/agents/{agent}/state', params: agent, query: () => '?prefix=p', status: 200, check: page(1) },
  { name: 'POST /v1/agents/{agent}/checkpoints', params: agent, json: () => ({ name: 'first' }), status: 201, check: (answer, world) => { has({ name: 'first', keyCount: 3 })(answer); world['checkpoint'] = id(answer) } },
  { name: 'GET /v1/agents/{agent}/checkpoints', params: agent, query: () => '?name=first', status: 200, check: page(1) },
  { name: 'GET /v1/checkpoints/{checkpoint}', params: (world) => ({ checkpoint: world['checkpoint'] ?? '' }), status: 200, check: has({ state: { a: 1, b: [true], plan: { step: 1 } } }) },
  { name: 'DELETE /v1/agents/{agent}/state/{key}', params: key, status: 200, check: has({ deleted: true }) },
  { name: 'POST /v1/checkpoints/{checkpoint}/restore', params: (world) => ({ checkpoint: world['checkpoint'] ?? '' }), status: 200, check: has({ written: 1, deleted: 0, unchanged: 2 }) },
  { name: 'POST /v1/checkpoints/{checkpoint}/fork', params: (world) => ({ checkpoint: world['checkpoint'] ?? '' }), json: () => ({ agent: 'base', name: 'copy' }), status: 201, check: has({ written: 3 }) },
  { name: 'DELETE /v1/checkpoints/{checkpoint}', params: (world) => ({ checkpoint: world['checkpoint'] ?? '' }), status: 200, intruder: 200, check: has({ deleted: true }) },
  { name: 'POST /v1/state/flush', status: 204, intruder: 204 },
  { name: 'GET /v1/state/stats', status: 200 },
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
