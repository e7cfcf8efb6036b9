import { setImmediate } from 'node:timers/promises'
import type { Cairn, StateChange } from '@cairn/core'
import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { problems } from '../openapi.ts'
import { AgentParam, TenantHeaders } from '../schemas/common.ts'
import { WatchQuery } from '../schemas/state.ts'
import { eventStream, type ServerSentEvent } from '../sse.ts'

export interface StateEventsOptions {
  /** Aborted when the server closes: live streams end. */
  readonly closing: AbortSignal
  readonly keepAliveMs: number
}

/** Live changes of an agent's keys as server-sent events. */
export function stateEventRoutes(app: App, { closing, keepAliveMs }: StateEventsOptions): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents/{agent}/state-events', tags: ['state'],
      summary: 'Live changes of an agent\'s keys (server-sent events)',
      description:
        'Events `set` and `delete`, with the revision as id and `{ key, revision, entry }` as data; `entry` is null after a delete. Several quick changes of one key may arrive as one, the newest. There is no replay: list the state after a reconnect.',
      request: { params: AgentParam, headers: TenantHeaders, query: WatchQuery },
      responses: { 200: { description: 'The stream; it ends when the client goes or the server stops.', content: { 'text/event-stream': { schema: z.string() } } }, ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => {
      const { agent } = c.req.valid('param')
      const { prefix } = c.req.valid('query')
      // An unknown agent is a problem document, not a stream that ends; and after this the watch resolves the agent without I/O.
      await c.get('cairn').state.list(agent, { limit: 1 })
      const gone = new AbortController()
      const signal = AbortSignal.any([gone.signal, closing, c.req.raw.signal])
      const events = changesOf(c.get('cairn'), agent, prefix, signal)
      const first = events.next()
      first.catch(() => undefined)
      // The watch is in place when the client sees the headers: what is written after that arrives.
      await setImmediate()
      return eventStream(events, first, keepAliveMs, () => gone.abort())
    },
  )
}

async function* changesOf(cairn: Cairn, agent: string, prefix: string | undefined, signal: AbortSignal): AsyncGenerator<ServerSentEvent> {
  for await (const change of cairn.state.watch(agent, { signal, ...(prefix === undefined ? {} : { prefix }) })) yield toEvent(change)
}

function toEvent({ key, revision, entry }: StateChange): ServerSentEvent {
  return { id: String(revision), event: entry === undefined ? 'delete' : 'set', data: { key, revision, entry: entry ?? null } }
}
