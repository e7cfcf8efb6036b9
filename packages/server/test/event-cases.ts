import type { Cairn } from '@cairn/core'
import type { RouteCase, World } from './route-cases.ts'

/** Two events that were given up; their ids. */
export async function buryEvents(cairn: Cairn): Promise<World> {
  await cairn.events.publishMany([1, 2].map((payload) => ({ subject: 'events.buried.a', payload })))
  let left = 2
  for await (const event of cairn.events.subscribe({ stream: 'EVENTS', consumer: 'undertaker', filter: 'events.buried.>', maxDeliver: 1 })) {
    await event.retry()
    if (--left === 0) break
  }
  const [one, two] = (await cairn.events.deadLetters()).items
  return { letter: one?.id ?? '', other: two?.id ?? '' }
}

export const EVENT_CASES: readonly RouteCase[] = [
  { name: 'POST /v1/events', json: () => ({ subject: 'events.invoice.42', payload: { total: 12 }, id: 'invoice-42', headers: { source: 'test' } }), status: 201 },
  { name: 'GET /v1/streams', status: 200 },
  { name: 'GET /v1/event-dead-letters', query: () => '?stream=EVENTS&consumer=undertaker', status: 200, check: ({ body, text }) => {
    if ((body['items'] as unknown[]).length !== 2) throw new Error(text)
  } },
  { name: 'POST /v1/event-dead-letters/{letter}/redrive', params: ({ letter = '' }) => ({ letter }), status: 201 },
  { name: 'DELETE /v1/event-dead-letters/{letter}', params: ({ other = '' }) => ({ letter: other }), intruder: 200, status: 200, check: ({ body, text }) => {
    if (body['deleted'] !== true) throw new Error(text)
  } },
]
