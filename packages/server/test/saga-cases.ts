import { type Cairn, CairnError } from '@cairn/core'
import type { RouteCase } from './route-cases.ts'

/** Three sagas that wait for an operator: their second step fails, and their first cannot be undone. */
export async function makeStuckSagas(cairn: Cairn): Promise<void> {
  const refuse = (): never => {
    throw new CairnError('INVALID_ARGUMENT', 'refused')
  }
  cairn.sagas.define('stuck', [{ name: 'first', run: () => 1, compensate: refuse }, { name: 'second', run: refuse }])
  for (const id of ['stuck/1', 'stuck/2', 'stuck/3']) {
    await cairn.sagas.start('stuck', { id }, { id })
    await cairn.sagas.wait(id)
  }
}

const saga = (number: number) => (): Record<string, string> => ({ saga: `stuck/${number}` })
const tells = (fields: Record<string, unknown>): NonNullable<RouteCase['check']> => ({ body, text }) => {
  for (const [name, value] of Object.entries(fields)) if (JSON.stringify(body[name]) !== JSON.stringify(value)) throw new Error(`${name} is not ${JSON.stringify(value)}: ${text}`)
}
export const SAGA_CASES: readonly RouteCase[] = [
  { name: 'GET /v1/sagas', query: () => '?status=manual_intervention&name=stuck', status: 200, check: ({ body }) => { if ((body['items'] as unknown[]).length !== 3) throw new Error('not three') } },
  { name: 'GET /v1/sagas/{saga}', params: saga(1), status: 200, check: tells({ id: 'stuck/1', status: 'manual_intervention', failedStep: 'first', input: { id: 'stuck/1' } }) },
  { name: 'POST /v1/sagas/{saga}/retry', params: saga(1), status: 200, check: tells({ id: 'stuck/1' }) },
  { name: 'POST /v1/sagas/{saga}/skip', params: saga(2), status: 200, check: tells({ id: 'stuck/2' }) },
  { name: 'POST /v1/sagas/{saga}/resolve', params: saga(3), json: () => ({ outcome: 'compensated', note: 'by hand' }), status: 200, check: tells({ status: 'compensated', resolutionNote: 'by hand' }) },
]
