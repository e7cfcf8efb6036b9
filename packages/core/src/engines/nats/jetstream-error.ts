import { JetStreamApiError } from '@nats-io/jetstream'
import { AuthorizationError, ClosedConnectionError, NoRespondersError, PermissionViolationError, TimeoutError } from '@nats-io/transport-node'
import { CairnError, isCairnError } from '../../errors/index.ts'

export const STREAM_NOT_FOUND = 10_059
export const WRONG_LAST_SEQUENCE = 10_071
export const REPLICAS_NOT_SUPPORTED = 10_074
export const NO_SUITABLE_PEERS = 10_005
export const CONSUMER_NOT_FOUND = 10_014
export const SUBJECTS_OVERLAP = 10_065
/** A stream goes to another place, or gets another number of replicas, not both at once. */
export const MOVE_AND_SCALE = 10_123

export function isApiError(error: unknown, ...codes: number[]): error is JetStreamApiError {
  return error instanceof JetStreamApiError && codes.includes(error.code)
}

/** What went wrong, in our words; `doing` completes "… failed", for instance "opening the bucket AGENT_STATE". */
export function toNatsError(error: unknown, doing: string): CairnError {
  if (isCairnError(error)) return error
  const cause = { cause: error }
  if (error instanceof AuthorizationError || error instanceof PermissionViolationError || /authorization violation|authentication/i.test(messageOf(error))) {
    return new CairnError('AUTHENTICATION_FAILED', `NATS: ${doing} failed: the server refused the credentials. Check the user and password in the URL, or NATS_CREDS_FILE.`, cause)
  }
  if (error instanceof NoRespondersError || isApiError(error, STREAM_NOT_FOUND)) {
    return new CairnError('CONNECTION_FAILED', `NATS: ${doing} failed: nobody answered. JetStream may be off (start nats-server with -js) or the stream is gone.`, cause)
  }
  if (error instanceof TimeoutError) return new CairnError('TIMEOUT', `NATS: ${doing} failed: no answer in time.`, cause)
  if (error instanceof JetStreamApiError) return new CairnError('UNKNOWN', `NATS: ${doing} failed: ${error.message} (${error.code}).`, cause)
  if (error instanceof ClosedConnectionError) return new CairnError('CLOSED', `NATS: ${doing} failed: the connection is closed.`, cause)
  return new CairnError('CONNECTION_FAILED', `NATS: ${doing} failed: ${messageOf(error)}.`, cause)
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
