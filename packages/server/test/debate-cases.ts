import type { Cairn } from '@cairn/core'
import type { RouteCase } from './route-cases.ts'

/** A debate that waits for an argument of bob, and one that waits for his vote. */
export async function makeDebates(cairn: Cairn): Promise<void> {
  const ann = (): string => 'hear me'
  for (const key of ['waits/1', 'votes/1']) {
    await cairn.debates.create({ key, topic: 'Tabs', participants: [{ name: 'ann', position: 'tabs' }, { name: 'bob', position: 'spaces' }], configuration: { rounds: 1 } })
    await cairn.debates.run(key, { ann }, { whenWaiting: 'return' })
  }
  await cairn.debates.submit('votes/1', { participant: 'bob', content: 'no' })
  await cairn.debates.run('votes/1', { ann }, { whenWaiting: 'return' })
}

const debate = (key: string) => (): Record<string, string> => ({ debate: key })
const model = (): Record<string, string> => ({ model: 'llama3.1:8b' })
const tells = (fields: Record<string, unknown>): NonNullable<RouteCase['check']> => ({ body, text }) => {
  for (const [name, value] of Object.entries(fields)) if (JSON.stringify(body[name]) !== JSON.stringify(value)) throw new Error(`${name} is not ${JSON.stringify(value)}: ${text}`)
}
const items = (length: number): NonNullable<RouteCase['check']> => ({ body, text }) => {
  if ((body['items'] as unknown[]).length !== length) throw new Error(`not ${length}: ${text}`)
}

export const DEBATE_CASES: readonly RouteCase[] = [
  { name: 'POST /v1/debates', json: () => ({ key: 'new', topic: 'Spaces', mode: 'free', participants: [{ name: 'a' }, { name: 'b', weight: 2 }], configuration: { rounds: 2, tokenBudget: 100 }, algorithmId: 'zstd', compressionRequestIds: ['r1'] }), status: 201, check: tells({ key: 'new', status: 'initialized', algorithmId: 'zstd', compressionRequestIds: ['r1'] }) },
  { name: 'GET /v1/debates', query: () => '?status=active&mode=structured&limit=5', status: 200, check: items(1) },
  { name: 'GET /v1/debate-statistics', status: 200 },
  { name: 'GET /v1/debates/{debate}', params: debate('waits/1'), status: 200, check: tells({ key: 'waits/1', status: 'active', round: 1, totalArguments: 1 }) },
  { name: 'POST /v1/debates/{debate}/arguments', params: debate('waits/1'), json: () => ({ participant: 'bob', content: 'Spaces.', confidence: 0.9, evidence: [{ a: 1 }], operationId: 'one' }), status: 200 },
  { name: 'POST /v1/debates/{debate}/arguments', params: debate('waits/1'), json: () => ({ participant: 'bob', content: 'Again.' }), status: 409, check: tells({ code: 'TURN_NOT_OPEN' }) },
  { name: 'GET /v1/debates/{debate}/arguments', params: debate('waits/1'), query: () => '?round=1&participant=bob', status: 200, check: items(1) },
  { name: 'GET /v1/debates/{debate}/rounds', params: debate('votes/1'), status: 200, check: items(1) },
  { name: 'POST /v1/debates/{debate}/votes', params: debate('votes/1'), json: () => ({ participant: 'bob', position: 'tabs', reason: 'convinced' }), status: 200, check: tells({ position: 'tabs', status: 'done' }) },
  { name: 'GET /v1/debates/{debate}/votes', params: debate('votes/1'), status: 200, check: items(2) },
  { name: 'POST /v1/debates/{debate}/pause', params: debate('waits/1'), status: 200, check: tells({ status: 'active' }) },
  { name: 'POST /v1/debates/{debate}/resume', params: debate('waits/1'), status: 200, check: tells({ pausedAt: null }) },
  { name: 'POST /v1/debates/{debate}/cancel', params: debate('waits/1'), json: () => ({ reason: 'enough' }), status: 200, check: tells({ status: 'cancelled', conclusion: 'enough' }) },
]

export const MODEL_CASES: readonly RouteCase[] = [
  { name: 'POST /v1/models', json: () => ({ name: 'llama3.1:8b', size: '8B', capabilities: ['chat', 'tools'], parameters: { temperature: 0.2 } }), status: 201, check: tells({ provider: 'ollama', health: 'healthy', successRate: 1 }) },
  { name: 'GET /v1/models', query: () => '?provider=ollama&capability=chat&capability=tools&health=healthy', status: 200 },
  { name: 'GET /v1/models/{model}', params: model, status: 200, check: tells({ size: '8B' }) },
  { name: 'GET /v1/model-choice', query: () => '?capability=tools', intruder: 409, status: 200, check: tells({ name: 'llama3.1:8b' }) },
  { name: 'PATCH /v1/models/{model}', params: model, json: () => ({ priority: 3 }), status: 200, check: tells({ priority: 3, size: '8B' }) },
  { name: 'DELETE /v1/models/{model}', params: model, intruder: 200, status: 200, check: tells({ deleted: true }) },
]
