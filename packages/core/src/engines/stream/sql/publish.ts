import { uuidv7 } from '../../../ids/index.ts'
import { CairnError } from '../../../errors/index.ts'
import type { TenantIdentity } from '../../../identity/index.ts'
import type { SqlSession } from '../../sql/index.ts'
import { checkHeaders, checkMessageId, checkSubject, encodePayload } from '../stream-checks.ts'
import type { PublishOptions } from '../stream-engine.ts'
import { INSERT_MESSAGE, SELECT_SEQUENCE } from './stream-queries.ts'

/** As much as a nats-server takes with its default settings, so that an embedded Cairn can move to servers. */
export const MAX_PAYLOAD_BYTES = 1_048_576 - 2_048

/** Between the two statements, a stream's limits may drop the message that has the id. */
const TRIES = 3

/** A message that has been checked and is ready for the table. */
export interface OutboxMessage {
  readonly subject: string
  readonly id: string
  readonly payload: string
  readonly headers: string
}

/** Throws INVALID_ARGUMENT, SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE. */
export function prepareMessage(subject: string, payload: unknown, options: PublishOptions = {}, limit = MAX_PAYLOAD_BYTES): OutboxMessage {
  checkSubject(subject)
  const { id = uuidv7(), headers = {} } = options
  checkMessageId(id)
  checkHeaders(headers)
  return { subject, id, payload: encodePayload(payload, headers, limit), headers: JSON.stringify(headers) }
}

/**
 * Publishes within the caller's transaction: the message is there when, and only when, the transaction commits
 * (a transactional outbox). The session must act as `identity`. Resolves with the sequence.
 * Errors: those of `StreamEngine.publish`.
 */
export async function publishInTransaction(session: SqlSession, identity: TenantIdentity, subject: string, payload: unknown, options: PublishOptions = {}): Promise<number> {
  return insertMessage(session, identity, prepareMessage(subject, payload, options))
}

export async function insertMessage(session: Pick<SqlSession, 'query'>, { tenant }: TenantIdentity, message: OutboxMessage): Promise<number> {
  const { id, subject } = message
  for (let tries = 0; tries < TRIES; tries++) {
    const inserted = await session.query<{ sequence: number }>(INSERT_MESSAGE, [tenant, id, subject, message.payload, message.headers], { name: 'cairn_outbox_insert' })
    if (inserted.rows[0] !== undefined) return inserted.rows[0].sequence
    const known = (await session.query<{ sequence: number | null }>(SELECT_SEQUENCE, [tenant, id, subject])).rows[0]
    if (known === undefined) throw new CairnError('NOT_FOUND', `No stream has the subject ${subject}. Make one with ensureStream.`, { details: { subject } })
    if (known.sequence !== null) return known.sequence
  }
  throw new CairnError('SERIALIZATION_FAILURE', `The message ${id} to ${subject} was stored and dropped by others in the same moment. Publish it again.`, { details: { id } })
}
