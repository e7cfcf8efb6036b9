import type { RouteCase } from './route-cases.ts'

const has = (fields: Record<string, unknown>): NonNullable<RouteCase['check']> => ({ body, text }) => {
  for (const [name, value] of Object.entries(fields)) if (JSON.stringify(body[name]) !== JSON.stringify(value)) throw new Error(`${name} is not ${JSON.stringify(value)}: ${text}`)
}
const items = (length: number): NonNullable<RouteCase['check']> => ({ body, text }) => {
  if ((body['items'] as unknown[]).length !== length) throw new Error(`expected ${length} items: ${text}`)
}
const berlin = (): Record<string, string> => ({ memory: 'berlin' })
const link = (): Record<string, string> => ({ memory: 'berlin', relation: 'causes', to: 'note/1' })
const persona = (): Record<string, string> => ({ label: 'persona' })
const ofAnna = (): string => '?userId=anna'
const sessionId = '6f1c3f3e-8a39-4c9e-9a40-0a2b6f6f0a01'

export const MEMORY_CASES: readonly RouteCase[] = [
  { name: 'POST /v1/memory', json: () => ({ key: 'berlin', content: 'Anna lives in Berlin', userId: 'anna', tags: ['home'], sessionId, position: 0, occurredAt: '2024-01-01T00:00:00Z' }), status: 201, check: (answer, world) => { has({ key: 'berlin', version: 1, isNew: true })(answer, world); world['berlin'] = answer.body['id'] as string } },
  { name: 'POST /v1/memory', json: () => ({ key: 'berlin', content: 'Anna lives in Berlin', userId: 'anna', tags: ['home'], sessionId, position: 0, occurredAt: '2024-01-01T00:00:00Z' }), status: 200, check: has({ isNew: false }) },
  { name: 'POST /v1/memory', json: () => ({ content: 'x', scope: 'team' }), status: 400, intruder: 400 },
  { name: 'POST /v1/memory-batches', json: () => ({ memories: [{ key: 'note/1', content: 'Anna likes tea.', userId: 'anna', sessionId, position: 1 }, { key: 'note/2', content: 'Anna plays chess.', userId: 'anna' }, { content: 'Bob sings', userId: 'bob' }] }), status: 200, check: (answer, world) => { items(3)(answer, world); (answer.body['items'] as { id: string }[]).forEach(({ id }, n) => (world[`note${n + 1}`] = id)) } },
  { name: 'GET /v1/memory', query: () => '?userId=anna&tags=home&archived=any&minImportance=0.5&order=occurred&descending=true', status: 200, check: items(1) },
  { name: 'GET /v1/memory/{memory}', params: berlin, status: 200, check: has({ content: 'Anna lives in Berlin', scope: 'user', tags: ['home'] }) },
  { name: 'PATCH /v1/memory/{memory}', params: berlin, json: () => ({ importance: 0.9 }), status: 200, check: has({ version: 2, importance: 0.9 }) },
  { name: 'GET /v1/memory/{memory}/versions', params: berlin, status: 200, check: items(1) },
  { name: 'GET /v1/memory/{memory}/neighbours', params: berlin, query: () => '?after=2', status: 200, check: items(1) },
  { name: 'PUT /v1/memory/{memory}/links/{relation}/{to}', params: link, json: () => ({ metadata: { sure: true } }), status: 200, check: has({ linked: true }) },
  { name: 'GET /v1/memory/{memory}/related', params: berlin, query: () => '?direction=out', status: 200, check: items(1) },
  { name: 'DELETE /v1/memory/{memory}/links/{relation}/{to}', params: link, status: 200, check: has({ deleted: true }) },
  { name: 'GET /v1/memory/{memory}/retention', params: berlin, status: 200, check: has({ decision: 'kept', rule: 'important' }) },
  { name: 'POST /v1/memory/{memory}/archive', params: berlin, status: 200, check: has({ isArchived: true, archiveReason: 'request' }) },
  { name: 'POST /v1/memory/{memory}/unarchive', params: berlin, status: 200, check: has({ isArchived: false }) },
  { name: 'POST /v1/memory', json: () => ({ key: 'lisbon', content: 'Anna lives in Lisbon', userId: 'anna', conflicts: 'link' }), status: 201, check: (answer, world) => { if ((answer.body['conflicts'] as unknown[]).length !== 1) throw new Error(answer.text); world['lisbon'] = answer.body['id'] as string } },
  { name: 'GET /v1/memory/{memory}/conflicts', params: berlin, status: 200, check: items(1) },
  { name: 'POST /v1/memory/{memory}/resolve', params: () => ({ memory: 'lisbon' }), json: (world) => ({ supersede: [world['berlin']] }), status: 200, intruder: 404, check: items(1) },
  { name: 'POST /v1/memory-reinforce', json: (world) => ({ memories: [world['lisbon']] }), status: 200, intruder: 200, check: has({ reinforced: 1 }) },
  { name: 'POST /v1/memory-consolidations', json: (world) => ({ memories: [world['note1'], world['note2']] }), status: 201, intruder: 404, check: (answer, world) => void (world['sum'] = answer.body['id'] as string) },
  { name: 'POST /v1/memory/{memory}/unconsolidate', params: (world) => ({ memory: world['sum'] ?? '' }), status: 200, check: items(2) },
  { name: 'GET /v1/memory-users', query: () => '?limit=5', status: 200 },
  { name: 'GET /v1/memory-users/{user}', params: () => ({ user: 'bob' }), status: 200, intruder: 404, check: has({ userId: 'bob', totalMemories: 1 }) },
  { name: 'POST /v1/memory-retention', json: () => ({ dryRun: true, policy: { keepImportance: 1 } }), status: 200, intruder: 200, check: has({ id: null, archived: 0 }) },
  { name: 'POST /v1/memory-retention', status: 200, check: (answer, world) => void (world['report'] = answer.body['id'] as string) },
  { name: 'GET /v1/memory-retention', status: 200, check: items(1) },
  { name: 'GET /v1/memory-retention/{report}/decisions', params: (world) => ({ report: world['report'] ?? '' }), status: 200, check: items(0) },
  { name: 'GET /v1/memory-retention-preview', status: 200, check: items(5) },
  { name: 'POST /v1/memory/{memory}/expire', params: () => ({ memory: 'note/2' }), status: 204 },
  { name: 'DELETE /v1/memory/{memory}', params: berlin, status: 200, intruder: 200, check: has({ deleted: true }) },
  { name: 'POST /v1/memory-forget', json: () => ({ tags: ['nothing'] }), status: 200, intruder: 200, check: has({ forgotten: 0 }) },
  { name: 'POST /v1/memory-forget', json: () => ({}), status: 400, intruder: 400 },
  { name: 'PUT /v1/memory-blocks/{label}', params: persona, query: ofAnna, json: () => ({ content: 'I am Anna', limit: 20 }), status: 200, intruder: 200, check: has({ characters: 9, version: 1 }) },
  { name: 'POST /v1/memory-blocks/{label}/append', params: persona, query: ofAnna, json: () => ({ content: 'x'.repeat(12) }), status: 413, intruder: 413 },
  { name: 'POST /v1/memory-blocks/{label}/append', params: persona, query: ofAnna, json: () => ({ content: '!', separator: '' }), status: 200, intruder: 200, check: has({ content: 'I am Anna!' }) },
  { name: 'POST /v1/memory-blocks/{label}/replace', params: persona, query: ofAnna, json: () => ({ previous: 'Anna', next: 'Eve' }), status: 200, intruder: 200, check: has({ content: 'I am Eve!' }) },
  { name: 'GET /v1/memory-blocks/{label}', params: persona, query: ofAnna, status: 200, intruder: 200, check: has({ version: 3 }) },
  { name: 'GET /v1/memory-blocks/{label}/versions', params: persona, query: ofAnna, status: 200, intruder: 200, check: items(2) },
  { name: 'GET /v1/memory-blocks', status: 200, check: items(1) },
  { name: 'DELETE /v1/memory-blocks/{label}', params: persona, query: () => '?userId=bob', status: 200, intruder: 200, check: has({ deleted: false }) },
  { name: 'POST /v1/memory-users/{user}/forget', params: () => ({ user: 'anna' }), status: 200, intruder: 200, check: has({ memories: 2, blocks: 1 }) },
]
