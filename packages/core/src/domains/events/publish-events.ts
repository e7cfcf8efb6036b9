import { uuidv7 } from '../../ids/index.ts'
import { CairnError } from '../../errors/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { MAX_PAYLOAD_BYTES, type OutboxMessage, prepareMessage } from '../../engines/stream/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import { type EventStream, streamOfSubject } from './event-streams.ts'
import type { NewEvent } from './event-types.ts'
import { INSERT_EVENTS } from './events-queries.ts'
import { toWireSubject } from './subjects.ts'

/** With the tenant before it, it is still a message id of the log. */
const MAX_ID_LENGTH = 180
const MAX_EVENTS = 10_000

export interface PreparedEvent extends OutboxMessage {
  readonly stream: EventStream
}

/**
 * Checks everything before anything is written. `mostBytes`: what the server takes, where it is known.
 * Errors: INVALID_ARGUMENT, NOT_FOUND (no stream takes the subject), SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE.
 */
export function prepareEvent(identity: TenantIdentity, event: NewEvent, mostBytes = MAX_PAYLOAD_BYTES): PreparedEvent {
  if (typeof event !== 'object' || event === null) throw refused('events', 'each must be an object with a subject')
  const { subject, payload = null, id = uuidv7(), headers = {} } = event
  const wire = toWireSubject(subject, identity.tenant)
  const stream = streamOfSubject(subject)
  if (subject.startsWith('agents.state.')) throw refused('subject', 'agents.state.* is told by the state itself: write it with cairn.state.set')
  if (typeof id === 'string' && id.length > MAX_ID_LENGTH) throw refused('id', `it has ${id.length} characters and may have ${MAX_ID_LENGTH}`)
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) throw refused('headers', 'they must be an object of texts')
  return { ...prepareMessage(wire, payload, { id, headers }, Math.min(stream.maxMessageBytes, MAX_PAYLOAD_BYTES, mostBytes)), stream }
}

/** One statement for all of them, in the transaction of `session`. */
export async function insertEvents(session: Pick<SqlSession, 'query'>, { tenant }: TenantIdentity, events: readonly PreparedEvent[]): Promise<void> {
  if (events.length === 0) return
  const column = (of: (event: PreparedEvent) => string): string[] => events.map(of)
  const values = [tenant, column(({ stream }) => stream.name), column(({ id }) => id), column(({ subject }) => subject), column(({ payload }) => payload), column(({ headers }) => headers)]
  await session.query(INSERT_EVENTS, values, { name: 'cairn_events_insert' })
}

/**
 * Publishes events in the caller's transaction, for statements of other rooms. The session must act as `identity`, or as
 * maintenance. They are read when the transaction has committed. Errors: those of `cairn.events.publish`.
 */
export async function emitEvents(session: Pick<SqlSession, 'query'>, identity: TenantIdentity, events: readonly NewEvent[]): Promise<void> {
  await insertEvents(session, identity, checkEvents(events).map((event) => prepareEvent(identity, event)))
}

export function checkEvents(events: readonly NewEvent[]): readonly NewEvent[] {
  if (!Array.isArray(events) || events.length > MAX_EVENTS) throw refused('events', `an array of up to ${MAX_EVENTS} events is wanted`)
  return events
}

function refused(field: string, why: string): CairnError {
  return new CairnError('INVALID_ARGUMENT', `${field}: ${why}.`, { details: { field } })
}
