import { CairnError } from '../../errors/index.ts'
import { decodeKey } from '../../engines/kv/index.ts'
import { type StreamConsumer, type StreamEngine, type StreamMessage, patternsOverlap, resolveConsumer } from '../../engines/stream/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import type { EventCore } from './event-core.ts'
import type { EventStream } from './event-streams.ts'
import type { CairnEvent, SubscribeOptions, TailedEvent, TailEventsOptions } from './event-types.ts'
import { type TailPart, agentOfFilter, endOfFeed, joinCursors, latestOfFeed, mergeConsumers, mergeTails, parseFeedCursor, splitCursor, stateMessage, tailFeed } from './readers/index.ts'
import { fromWireSubject, toWireFilter } from './subjects.ts'

const CONSUMER = /^[A-Za-z0-9_-]{1,64}$/

/** Ends the name of the part of a consumer that reads changes of state; no name of a caller has the sign. */
export const STATE_PART = '=state'

/** What a filter asks for: published events, changes of state, or both. They lie in different places. */
interface Wanted {
  /** With the tenant; undefined: no published event can match. */
  readonly published: string | undefined
  /** Agent id or `*`; undefined: no change of state can match. */
  readonly agent: string | undefined
}

function wantedOf(stream: EventStream, filter: string, tenant: string): Wanted {
  const wire = toWireFilter(filter, tenant, stream.kind)
  const kinds = stream.events?.filter((event) => event !== 'state').map((event) => `${stream.kind}.${event}.>`)
  const published = kinds === undefined || kinds.some((each) => patternsOverlap(each, filter)) ? wire : undefined
  const agent = stream.name === 'AGENT_STATE' ? agentOfFilter(filter) : undefined
  if (published === undefined && agent === undefined) {
    throw new CairnError('INVALID_ARGUMENT', `filter: ${JSON.stringify(filter)} matches nothing in ${stream.name}. Its subjects begin with ${stream.kind}.${stream.events?.join('|') ?? '<any>'}.`, { details: { field: 'filter' } })
  }
  return { published, agent }
}

/** The name of a durable consumer in the log: its tenant is a part of it. INVALID_ARGUMENT. */
export function durableName(tenant: string, consumer: string): string {
  if (typeof consumer !== 'string' || !CONSUMER.test(consumer)) {
    throw new CairnError('INVALID_ARGUMENT', `consumer: ${JSON.stringify(consumer)} is not a name. Use 1 to 64 of A-Z a-z 0-9 _ -.`, { details: { field: 'consumer' } })
  }
  return `${tenant}=${consumer}`
}

/** Opens the durable consumer, making it when it is new. Errors: those of the engines. */
export async function openConsumer(core: EventCore, identity: TenantIdentity, stream: EventStream, options: SubscribeOptions): Promise<StreamConsumer> {
  const { tenant } = identity
  const { consumer, filter = '>', ackWaitMs = 30_000, maxDeliver = 3, maxPending = 1_000, from = 'all' } = options
  const name = durableName(tenant, consumer)
  const { published, agent } = wantedOf(stream, filter, tenant)
  const settings = { ackWaitMs, maxDeliver, maxPending, from }
  // Changes of state have a reader of their own, without the checks of an engine.
  resolveConsumer({ name, ...settings })
  const parts: StreamConsumer[] = []
  if (core.options.connect === undefined) {
    if (published !== undefined) parts.push(await core.outbox.consumer(stream.name, { ...settings, name, filter: published }))
    if (agent !== undefined) {
      const shared = await core.feedConsumer(identity, { ...settings, name, agent })
      parts.push({
        fetch: (limit, waitMs) => shared.consumer.fetch(limit, waitMs),
        deadLetters: (limit) => shared.consumer.deadLetters(limit),
        close: () => shared.release(),
      })
    }
    return mergeConsumers(parts)
  }
  const capture = agent !== undefined && core.options.events.captureState !== 'off'
  await core.ensure(stream, capture)
  const engine = await core.reading()
  const open = async (more: { name: string; filter: string; outside?: boolean }): Promise<void> => {
    try {
      parts.push(await engine.consumer(stream.name, { ...settings, ...more }))
    } catch (error) {
      // Kept in memory only, or the server lost its store: made anew.
      if (!(error instanceof CairnError) || error.code !== 'NOT_FOUND') throw error
      await core.ensure(stream, capture, true)
      parts.push(await engine.consumer(stream.name, { ...settings, ...more }))
    }
  }
  if (published !== undefined) await open({ name, filter: published })
  // A server of 2.9 has one filter a consumer.
  if (capture) await open({ name: `${name}${STATE_PART}`, filter: `${core.options.stateChanges}${tenant}.${agent}.*`, outside: true })
  if (parts.length === 0) throw captureOff()
  return mergeConsumers(parts)
}

/** Resolves when its place, `start`, is fixed: what is published after that will be seen. INVALID_CURSOR for a cursor of another stream or filter. */
export async function openTail(core: EventCore, identity: TenantIdentity, stream: EventStream, options: TailEventsOptions, signal: AbortSignal): Promise<{ readonly events: AsyncGenerator<TailedEvent>; readonly start: string }> {
  const { tenant } = identity
  const { filter = '>', from = 'new', after } = options
  const { published, agent } = wantedOf(stream, filter, tenant)
  const sql = core.options.connect === undefined
  const capture = agent !== undefined && (sql || core.options.events.captureState !== 'off')
  if (published === undefined && !capture) throw captureOff()
  const count = (published === undefined ? 0 : 1) + (capture ? 1 : 0)
  const places = after === undefined ? undefined : splitCursor(after, count)
  if (after !== undefined && places === undefined) throw new CairnError('INVALID_CURSOR', `after: ${JSON.stringify(after.slice(0, 100))} is not the cursor of an event of this tail.`, { details: { field: 'after' } })
  if (!sql) await core.ensure(stream, capture)
  const engine: StreamEngine = sql ? core.outbox : await core.reading()
  const parts: TailPart[] = []
  const add = (events: AsyncIterable<StreamMessage & { cursor: string }>, start: string): void => {
    parts.push({ start, events: (async function* () {
      for await (const message of events) yield { ...toEvent(core, identity, stream, message), cursor: message.cursor }
    })() })
  }
  const ofEngine = async (wire: string, outside: boolean): Promise<void> => {
    const start = places?.[parts.length] ?? (from === 'new' ? await engine.end(stream.name) : sql ? '0-0' : '0')
    // While of another part alone something was seen, all of this one is still to come.
    add(engine.tail(stream.name, { filter: wire, outside, signal, from: places === undefined && from === 'last' ? 'last' : { after: start } }), start)
  }
  if (published !== undefined) await ofEngine(published, false)
  if (capture && !sql) await ofEngine(`${core.options.stateChanges}${tenant}.${agent}.*`, true)
  const { feed } = core
  if (capture && feed !== undefined) {
    const place = places?.[parts.length]
    const start = place ?? (from === 'new' ? await endOfFeed(feed) : latestOfFeed(await endOfFeed(feed)))
    parseFeedCursor(start)
    // What a key was before its newest change is not kept: all there is of the past is the newest change of each.
    add(tailFeed(feed, tenant, agent, start, signal), start)
  }
  return { events: mergeTails(parts), start: joinCursors(parts.map(({ start }) => start)) }
}

/** What a reader sees of a message of the log. CONSISTENCY_VIOLATION for one of another tenant. */
export function toEvent(core: EventCore, { tenant }: TenantIdentity, stream: EventStream, message: StreamMessage): CairnEvent {
  const { id, subject, payload, headers, sequence, publishedAt } = asEvent(core, message)
  const relayed = core.options.connect !== undefined && id.startsWith(`${tenant}:`)
  return { id: relayed ? id.slice(tenant.length + 1) : id, subject: fromWireSubject(subject, tenant), stream: stream.name, payload, headers, sequence, publishedAt }
}

/** A change of state that the server copied here has the key in its subject and its headers, and no payload. */
function asEvent(core: EventCore, message: StreamMessage): StreamMessage {
  const { stateChanges, state } = core.options
  if (!message.subject.startsWith(stateChanges)) return message
  const { sourceSequence = 0, headers, sequence, publishedAt, deliveries } = message
  const operation = headers['KV-Operation']
  const key = decodeKey(message.subject.slice(stateChanges.length)) ?? []
  return stateMessage(key, state.hot.revisionOf(sourceSequence), operation === 'DEL' || operation === 'PURGE', { sequence, publishedAt, deliveries })
}

function captureOff(): CairnError {
  return new CairnError('CAPABILITY_MISSING', "filter: changes of state are not events here, because open() was told events.captureState: 'off'.", { details: { field: 'filter' } })
}

