import type { RouteCase } from './route-cases.ts'

const tells = (fields: Record<string, unknown>): NonNullable<RouteCase['check']> => ({ body, text }) => {
  for (const [name, value] of Object.entries(fields)) if (JSON.stringify(body[name]) !== JSON.stringify(value)) throw new Error(`${name} is not ${JSON.stringify(value)}: ${text}`)
}
const items = (length: number): NonNullable<RouteCase['check']> => ({ body, text }) => {
  if ((body['items'] as unknown[]).length !== length) throw new Error(`expected ${length} items: ${text}`)
}
const says = (expected: string): NonNullable<RouteCase['check']> => ({ text }) => {
  if (!text.includes(expected)) throw new Error(`expected ${expected}: ${text}`)
}
const of = (name: string) => (world: Record<string, string>): Record<string, string> => ({ [name]: world[name] ?? '' })
const keep = (name: string): NonNullable<RouteCase['check']> => ({ body }, world) => void (world[name] = String(body['id']))
const at = '2026-05-08T13:56:00.000Z'
const file = [
  { format: 'cairn.conversation', version: 1, session: { key: 'imported', type: 'group', status: 'active', title: null, context: {}, settings: {}, summary: '', editCount: 0, createdAt: at, lastActivity: at, endedAt: null } },
  { end: { participants: 0, threads: 0, messages: 0, attachments: 0, summaries: 0 } },
].map((line) => JSON.stringify(line)).join('\n')

/** After the other cases of conversations, with the session and the thread that they leave. */
export const RECORD_CASES: readonly RouteCase[] = [
  { name: 'GET /v1/message-search', query: () => '?query=hello&role=user&match=all', status: 200, check: items(1) },
  { name: 'GET /v1/threads/{thread}/health', params: of('thread'), status: 200, check: tells({ status: 'completed', breaker: null, compressionRequest: null }) },
  { name: 'POST /v1/chat-sessions/{session}/summaries', params: of('session'), json: () => ({ text: 'They greet.' }), status: 201, check: tells({ version: 2, upTo: 3, stale: false }) },
  { name: 'GET /v1/chat-sessions/{session}/summaries', params: of('session'), status: 200, check: items(2) },
  { name: 'POST /v1/threads/{thread}/summaries', params: of('thread'), json: () => ({ maxSentences: 1 }), status: 201, check: tells({ version: 1, method: 'extractive' }) },
  { name: 'GET /v1/threads/{thread}/summaries', params: of('thread'), status: 200, check: items(1) },
  { name: 'POST /v1/messages/{message}/attachments', params: of('message'), json: () => ({ base64: 'AAEC', name: 'dots' }), status: 201, check: (answer, world) => { tells({ bytes: 3, name: 'dots' })(answer, world); keep('attachment')(answer, world) } },
  { name: 'GET /v1/messages/{message}/attachments', params: of('message'), status: 200, check: items(1) },
  { name: 'GET /v1/attachments/{attachment}', params: of('attachment'), status: 200, check: tells({ mediaType: 'application/octet-stream' }) },
  { name: 'GET /v1/attachments/{attachment}/content', params: of('attachment'), status: 200, check: says('\u0000\u0001\u0002') },
  { name: 'GET /v1/chat-sessions/{session}/export', params: of('session'), query: () => '?format=markdown', status: 200, check: says('> Hello there') },
  { name: 'GET /v1/chat-sessions/{session}/export', params: of('session'), status: 200, check: says('{"end":{"participants":2,"threads":1,"messages":3,"attachments":1,"summaries":3}}') },
  { name: 'DELETE /v1/attachments/{attachment}', params: of('attachment'), status: 200, intruder: 200, check: tells({ deleted: true }) },
  { name: 'POST /v1/chat-session-imports', lines: () => file, status: 201, check: (answer, world) => { tells({ key: 'imported', createdAt: at })(answer, world); keep('imported')(answer, world) } },
  { name: 'DELETE /v1/chat-sessions/{session}', params: (world) => ({ session: world['imported'] ?? '' }), status: 200, intruder: 200, check: tells({ deleted: true }) },
]

export const COMPRESSION_CASES: readonly RouteCase[] = [
  { name: 'PUT /v1/agents/{agent}/compression-algorithms', params: () => ({ agent: 'base' }), json: () => ({ algorithms: ['gzip'] }), status: 200, check: tells({ algorithms: ['gzip'] }) },
  { name: 'GET /v1/agents/{agent}/compression-algorithms', params: () => ({ agent: 'base' }), status: 200, check: tells({ algorithms: ['gzip'] }) },
  { name: 'POST /v1/compression/measure', json: () => ({ text: 'again and '.repeat(300), goal: 'ratio', algorithms: ['gzip', 'none'] }), status: 200, check: tells({ algorithm: 'gzip', goal: 'ratio' }) },
  { name: 'GET /v1/compression/algorithms', status: 200, check: items(6) },
  { name: 'POST /v1/compression/pack', json: () => ({ text: 'packed', algorithm: 'none' }), status: 200, check: ({ body }, world) => void (world['packed'] = String(body['base64'])) },
  { name: 'POST /v1/compression/unpack', json: (world) => ({ base64: world['packed'] }), status: 200, check: tells({ base64: Buffer.from('packed').toString('base64'), bytes: 6 }) },
  { name: 'POST /v1/compression/requests', json: () => ({ text: 'compress me', agent: 'base', algorithm: 'gzip' }), intruder: 404, status: 201, check: keep('request') },
  { name: 'GET /v1/compression/requests', query: () => '?status=pending', status: 200, check: items(1) },
  { name: 'GET /v1/compression/requests/{request}', params: of('request'), status: 200, check: tells({ status: 'pending', algorithm: 'gzip', inputBytes: 11 }) },
  { name: 'GET /v1/compression/requests/{request}/output', params: of('request'), status: 409 },
  { name: 'POST /v1/compression/requests/{request}/cancel', params: of('request'), status: 200, check: tells({ status: 'cancelled' }) },
  { name: 'DELETE /v1/compression/requests/{request}', params: of('request'), status: 200, intruder: 200, check: tells({ deleted: true }) },
]
