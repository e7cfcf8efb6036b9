import type { Answer } from './harness.ts'
import type { RouteCase, World } from './route-cases.ts'

const id = (answer: Answer): string => answer.body['id'] as string
const items = (length: number) => (answer: Answer): void => {
  if ((answer.body['items'] as unknown[]).length !== length) throw new Error(`expected ${length} items: ${answer.text}`)
}
const has = (fields: Record<string, unknown>) => (answer: Answer): void => {
  for (const [name, value] of Object.entries(fields)) if (JSON.stringify(answer.body[name]) !== JSON.stringify(value)) throw new Error(`${name} is not ${JSON.stringify(value)}: ${answer.text}`)
}

const user = (): Record<string, string> => ({ user: 'ann@example.org' })

export const PERSONALITY_CASES: readonly RouteCase[] = [
  { name: 'POST /v1/personality', json: () => ({ user: 'ann@example.org', message: 'Could you explain falconry?', response: '- yes', agent: 'scout', at: '2026-01-01T09:00:00Z' }), status: 201, check: (answer, world) => { has({ learned: true, sampleSize: 1 })(answer); world['interaction'] = answer.body['interactionId'] as string } },
  { name: 'POST /v1/personality', json: () => ({ user: 'ann@example.org', message: '' }), status: 400, intruder: 400 },
  { name: 'GET /v1/personality', query: () => '?limit=5', status: 200, check: items(1) },
  { name: 'GET /v1/personality/{user}', params: user, status: 200, check: has({ userId: 'ann@example.org', sampleSize: 1, version: 2 }) },
  { name: 'PUT /v1/personality/{user}/interactions/{interaction}/feedback', params: (world) => ({ ...user(), interaction: world['interaction'] ?? '' }), json: () => ({ rating: 5 }), status: 200, check: has({ feedback: { sentiment: 'positive', rating: 5 } }) },
  { name: 'GET /v1/personality/{user}/interactions', params: user, status: 200, intruder: 200, check: items(1) },
  { name: 'GET /v1/personality/{user}/versions', params: user, status: 200, intruder: 200, check: items(2) },
  { name: 'GET /v1/personality/{user}/export', params: user, status: 200, check: has({ formatVersion: 'cairn.personality/1' }) },
  { name: 'POST /v1/personality/{user}/rollback', params: user, json: () => ({ version: 1 }), status: 200, check: has({ version: 3, sampleSize: 0 }) },
  { name: 'DELETE /v1/personality/{user}', params: user, status: 200, intruder: 200, check: has({ deleted: true, interactions: 1, versions: 3 }) },
  { name: 'PATCH /v1/personality/{user}/preferences', params: user, json: () => ({ responseLength: 'short', tone: null }), status: 200, intruder: 200, check: has({ preferences: { responseLength: 'short' } }) },
  { name: 'PATCH /v1/personality/{user}/settings', params: user, json: () => ({ timeZone: 'Europe/Berlin', learning: false }), status: 200, intruder: 200, check: has({ timeZone: 'Europe/Berlin', learning: false }) },
]

const partnership = (world: World): Record<string, string> => ({ partnership: world['partnership'] ?? '' })
const request = (world: World): Record<string, string> => ({ request: world['request'] ?? '' })
const another = (world: World): Record<string, string> => ({ request: world['another request'] ?? '' })
const insights = [{ agent: 'scout', content: 'go left', confidence: 0.9, recommendations: ['left'] }, { agent: 'base', content: 'go right', position: 'right', weight: 0.5 }]
const asks = { requestingAgent: 'scout', targets: ['base'], type: 'review' }

export const COLLABORATION_CASES: readonly RouteCase[] = [
  { name: 'POST /v1/collaboration/partnerships', json: () => ({ key: 'pair/one', primaryAgent: 'scout', secondaryAgent: 'base', type: 'review', focus: ['maps'], autoTrigger: { belowConfidence: 0.5, action: 'open' } }), status: 201, check: (answer, world) => { has({ effectiveness: 0.5, active: true })(answer); world['partnership'] = id(answer) } },
  { name: 'POST /v1/collaboration/partnerships', json: () => ({ primaryAgent: 'base', secondaryAgent: 'scout', type: 'review' }), status: 409, intruder: 404 },
  { name: 'GET /v1/collaboration/partnerships', query: () => '?active=true&type=review', status: 200, check: items(1) },
  { name: 'GET /v1/collaboration/partnerships/{partnership}', params: () => ({ partnership: 'pair/one' }), status: 200, check: has({ focus: ['maps'] }) },
  { name: 'PATCH /v1/collaboration/partnerships/{partnership}', params: partnership, json: () => ({ maxConcurrent: 1 }), status: 200, check: has({ maxConcurrent: 1 }) },
  { name: 'GET /v1/collaboration/metrics', query: () => '?limit=3', status: 200, check: items(1) },
  { name: 'GET /v1/collaboration/agents/{agent}/partners', params: () => ({ agent: 'scout' }), query: () => '?topic=Maps', status: 200, check: items(1) },
  { name: 'GET /v1/collaboration/agents/{agent}/compatibility/{other}', params: () => ({ agent: 'scout', other: 'base' }), status: 200, check: has({ score: 0.5, collaborations: 0 }) },
  { name: 'POST /v1/collaboration/triggers', json: () => ({ agent: 'scout', confidence: 0.2, key: 'lost' }), status: 200, check: (answer, world) => { items(1)(answer); world['another request'] = (answer.body['items'] as { requestId: string }[])[0]?.requestId ?? '' } },
  { name: 'POST /v1/collaboration/requests', json: () => ({ ...asks, key: 'help', priority: 'medium', context: { where: 'here' } }), status: 201, check: (answer, world) => { has({ status: 'pending', priority: 'normal' })(answer); world['request'] = id(answer) } },
  { name: 'GET /v1/collaboration/requests', query: () => '?status=pending', status: 200, check: items(2) },
  { name: 'GET /v1/collaboration/requests/{request}', params: () => ({ request: 'help' }), status: 200, check: has({ type: 'review', participants: [] }) },
  { name: 'POST /v1/collaboration/requests/{request}/start', params: request, status: 409, intruder: 404 },
  { name: 'POST /v1/collaboration/requests/{request}/answers', params: request, json: () => ({ agent: 'base', accept: true }), status: 200, check: has({ status: 'accepted' }) },
  { name: 'POST /v1/collaboration/requests/{request}/start', params: request, status: 200, check: has({ status: 'in_progress' }) },
  { name: 'POST /v1/collaboration/requests/{request}/complete', params: request, json: () => ({ result: { found: true }, contributions: { base: 'a map' } }), status: 200, check: has({ status: 'completed', result: { found: true } }) },
  { name: 'PUT /v1/collaboration/requests/{request}/feedback', params: request, json: () => ({ rating: 5, text: 'good' }), status: 200, check: has({ rating: 5 }) },
  { name: 'POST /v1/collaboration/requests/{request}/cancel', params: another, json: () => ({}), status: 200, check: has({ status: 'cancelled' }) },
  { name: 'POST /v1/collaboration/requests/{request}/fail', params: another, json: () => ({ reason: 'late' }), status: 409 },
  { name: 'GET /v1/collaboration/activity', query: () => '?limit=9', status: 200, check: items(2) },
  { name: 'POST /v1/collaboration/fusions', json: () => ({ insights, method: 'weighted_consensus', key: 'which way', request: 'help' }), status: 201, intruder: 404, check: (answer, world) => { has({ position: 'go left', consensusLevel: 0.6667 })(answer); world['fusion'] = id(answer) } },
  { name: 'GET /v1/collaboration/fusions', query: () => '?method=weighted_consensus', status: 200, check: items(1) },
  { name: 'GET /v1/collaboration/fusions/{fusion}', params: (world) => ({ fusion: world['fusion'] ?? '' }), status: 200, check: has({ key: 'which way' }) },
  { name: 'DELETE /v1/collaboration/partnerships/{partnership}', params: partnership, status: 200, intruder: 200, check: has({ deleted: true }) },
]
