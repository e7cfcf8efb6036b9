import { isCairnError } from '../../errors/index.ts'
import type { StreamStatus } from '../../engines/stream/index.ts'
import type { EventCore } from './event-core.ts'
import { EVENT_STREAMS, type EventStream, wireSubjects } from './event-streams.ts'
import type { EventStreamStatus, EventsStatus, StreamDifference } from './event-types.ts'
import { STATE_PART } from './open-readers.ts'

const WISHED_REPLICAS = 3

/** Never waits for a server that is down: what cannot be asked is reported as not there. */
export async function eventsStatus(core: EventCore, tenant: string): Promise<EventsStatus> {
  const { jetstream, relay } = core
  const sql = core.options.connect === undefined
  const connected = sql || jetstream?.connected === true
  const engine = sql ? core.outbox : connected ? jetstream : undefined
  const streams = await Promise.all(EVENT_STREAMS.map((stream) => streamStatus(core, stream, tenant, engine === undefined ? undefined : () => engine.status(stream.name))))
  return { log: sql ? 'sql' : 'jetstream', connected, serverVersion: jetstream?.serverVersion ?? null, streams, relay: relay === undefined ? null : await relay.status() }
}

async function streamStatus(core: EventCore, stream: EventStream, tenant: string, ask: (() => Promise<StreamStatus>) | undefined): Promise<EventStreamStatus> {
  const found = await ask?.().catch((error: unknown) => {
    if (isCairnError(error, 'NOT_FOUND') || isCairnError(error, 'CONNECTION_FAILED') || isCairnError(error, 'TIMEOUT')) return undefined
    throw error
  })
  const storage = stream.name === 'AGENT_MESSAGES' ? core.options.events.messagesStorage : stream.storage
  if (found === undefined) return { name: stream.name, exists: false, messages: 0, bytes: 0, storage, replicas: 0, differences: [], consumers: [] }
  const own = `${tenant}=`
  return {
    name: stream.name,
    exists: true,
    messages: found.messages,
    bytes: found.bytes,
    storage: found.storage,
    replicas: found.replicas,
    differences: found.storage === 'sql' ? [] : differences(core, stream, storage, found),
    consumers: found.consumers
      .filter(({ name }) => name.startsWith(own))
      .map(({ name, filter, waiting, pending }) => ({ name: name.slice(own.length).replace(STATE_PART, ' (state)'), filter: shownFilter(filter, tenant, core.options.stateChanges), waiting, pending })),
  }
}

/** What was asked for beside what the server has. Replicas above the size of the cluster and sizes it cannot set aside are usual. */
function differences(core: EventCore, stream: EventStream, storage: 'file' | 'memory', found: StreamStatus): StreamDifference[] {
  const wished = {
    subjects: [...wireSubjects(stream)].join(', '),
    maxAgeMs: stream.maxAgeMs,
    maxMessages: stream.maxMessages,
    maxBytes: stream.maxBytes,
    maxMessageBytes: stream.maxMessageBytes,
    storage,
    replicas: stream.replicas === 1 ? 1 : WISHED_REPLICAS,
  }
  const captured = `${core.options.stateChanges}>`
  const actual = { ...found, subjects: found.subjects.filter((subject) => subject !== captured).join(', ') }
  return (Object.keys(wished) as (keyof typeof wished)[]).filter((setting) => wished[setting] !== actual[setting]).map((setting) => ({ setting, wished: wished[setting], actual: actual[setting] }))
}

/** Without the tenant, as it was given. */
function shownFilter(filter: string, tenant: string, stateChanges: string): string {
  if (filter.startsWith(stateChanges)) return `agents.state.${filter.slice(stateChanges.length).split('.')[1] ?? '*'}`
  return filter.split('.').toSpliced(2, filter.split('.')[2] === tenant ? 1 : 0).join('.')
}
