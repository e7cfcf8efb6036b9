/**
 * The catalogue of every error Cairn can throw. Types, the HTTP status and `docs/errors.md` come from it.
 * A code is never reused for another meaning, and never renamed.
 *
 * - `status`: the HTTP status of the problem document.
 * - `retryable`: the same call may succeed later without a change by the caller.
 * - `summary`: what happened. `remedy`: what to do.
 *
 * Source of the first seven: the DataError vocabulary of the requirements (S4 §6.1).
 */
export const ERROR_CODES = {
  NOT_FOUND: { status: 404, retryable: false, summary: 'The thing asked for does not exist.', remedy: 'Check the id; list what exists.' },
  DUPLICATE_KEY: { status: 409, retryable: false, summary: 'Something with this key or name exists already.', remedy: 'Use another key, or read the one that exists.' },
  CONNECTION_FAILED: { status: 503, retryable: true, summary: 'A server could not be reached or the connection was lost.', remedy: 'Check that the server runs and the URL is right; `cairn doctor` tells which part fails.' },
  SERIALIZATION_ERROR: { status: 422, retryable: false, summary: 'A value could not be written as or read from JSON.', remedy: 'Pass plain JSON: no functions, bigint, cycles, U+0000 or lone surrogates.' },
  VERSION_CONFLICT: { status: 412, retryable: true, summary: 'The revision expected is not the current one: another writer was first.', remedy: 'Read the value again, apply the change to it, and write with its revision.' },
  MERGE_UNDEFINED: { status: 501, retryable: false, summary: 'The policy of the key names a merge function that this process has not defined.', remedy: 'Call `cairn.state.merges.define(name, function)` in every process that writes the key.' },
  MERGE_FAILED: { status: 500, retryable: false, summary: 'A merge function threw, or gave back what is not JSON; nothing was written.', remedy: 'Correct the function; the message tells what it threw.' },
  TTL_EXPIRED: { status: 410, retryable: false, summary: 'The value existed but its time to live is over.', remedy: 'Write it again, or give it a longer time to live.' },
  CONSISTENCY_VIOLATION: { status: 500, retryable: false, summary: 'Stored data does not match its checksum or the other tier.', remedy: 'Run `cairn doctor`; restore the agent from a checkpoint if the value is damaged.' },
  SERIALIZATION_FAILURE: { status: 503, retryable: true, summary: 'Two transactions could not be put in an order (SQLSTATE 40001).', remedy: 'Run the whole transaction again.' },
  DEADLOCK: { status: 503, retryable: true, summary: 'Two transactions waited for each other (SQLSTATE 40P01).', remedy: 'Run the whole transaction again.' },
  CONSTRAINT_VIOLATION: { status: 422, retryable: false, summary: 'The database refused the data because it breaks a rule.', remedy: 'See `details.constraint` for the rule and correct the data.' },
  VALIDATION_FAILED: { status: 422, retryable: false, summary: 'The check before the commit refused the transaction; nothing was stored.', remedy: 'See the message for what the check found, correct the data, and run the transaction again.' },
  TIMEOUT: { status: 504, retryable: true, summary: 'An operation did not end in time.', remedy: 'Try again; raise the time limit if this is normal for the work.' },
  OUTCOME_UNKNOWN: { status: 504, retryable: true, summary: 'A write was sent but its acknowledgement was lost: it may or may not have been stored.', remedy: 'Repeat the call with the same `operationId`: it is not applied twice.' },
  PAYLOAD_TOO_LARGE: { status: 413, retryable: false, summary: 'The value is larger than the limit.', remedy: 'Split the value or store the large part elsewhere and keep a reference.' },
  STORAGE_FULL: { status: 507, retryable: false, summary: 'The store has reached its size limit.', remedy: 'Delete what is no longer needed, or raise the limit.' },
  INVALID_ARGUMENT: { status: 400, retryable: false, summary: 'An argument is missing or malformed.', remedy: 'Correct the field named in the message.' },
  INVALID_OPTION: { status: 400, retryable: false, summary: 'An option is unknown or has an impossible value.', remedy: 'Correct the option named in the message; `cairn start --help` lists them.' },
  INVALID_CURSOR: { status: 400, retryable: false, summary: 'The page cursor was not issued by this list.', remedy: 'Start again without a cursor.' },
  INVALID_TRANSITION: { status: 409, retryable: false, summary: 'The status may not change in this way.', remedy: 'See `details.allowed` for the statuses that may follow the current one.' },
  DEPENDENCY_CYCLE: { status: 409, retryable: false, summary: 'The dependency would close a circle.', remedy: 'Remove one of the dependencies in `details.path` first.' },
  AGENT_NOT_FOUND: { status: 404, retryable: false, summary: 'No agent with this id or key exists in this tenant.', remedy: 'Register it with `agents.register`, or check the id and the tenant.' },
  NO_ACTIVE_CONNECTION: { status: 404, retryable: false, summary: 'No active connection is registered for the agent.', remedy: 'Add one with `agents.connections.add`, or activate an existing one.' },
  CONVERSATION_ENDED: { status: 409, retryable: false, summary: 'The chat session has ended and takes no more messages.', remedy: 'Open a new chat session.' },
  COMPRESSED_DATA_CORRUPT: { status: 422, retryable: false, summary: 'Compressed bytes are damaged, cut off, or of another format.', remedy: 'Check which algorithm made them; fetch them again, or take a copy.' },
  DECOMPRESSION_LIMIT: { status: 413, retryable: false, summary: 'Decompressed, the bytes would be more than the limit.', remedy: 'Raise `maxOutputBytes` if you trust where they come from.' },
  EMBEDDER_UNAVAILABLE: { status: 503, retryable: true, summary: 'The embedder did not answer, or there is none.', remedy: 'Try again later; what was stored meanwhile is found by text, and `reembed` makes up for its vectors.' },
  EMBEDDING_INVALID: { status: 422, retryable: false, summary: 'The embedder gave back vectors that cannot be used.', remedy: 'Check that its model and dimensions are the ones named; numbers must be finite.' },
  EXTRACTION_FAILED: { status: 422, retryable: true, summary: 'The function that reads facts out of texts failed, or gave back no list of facts.', remedy: 'See the message for what it said; try again, or correct the function. Nothing was stored.' },
  TASK_NOT_FOUND: { status: 404, retryable: false, summary: 'No task with this id or key exists in this tenant.', remedy: 'Check the id and the tenant; `tasks.list` shows what exists.' },
  TASK_CANCELLED: { status: 409, retryable: false, summary: 'The task was cancelled.', remedy: 'Stop the work; enqueue it anew or `tasks.retry` it if it is wanted after all.' },
  TASK_FAILED: { status: 422, retryable: false, summary: 'A handler says that its task cannot succeed, however often it is tried.', remedy: 'Read the message, correct the cause, and redrive the dead letter.' },
  LEASE_LOST: { status: 409, retryable: false, summary: 'The worker was silent for longer than its lease, so its task was given to another; what it says about it is refused.', remedy: 'Drop the result. Keep handlers from blocking the event loop, or raise `leaseMs`.' },
  QUEUE_FULL: { status: 429, retryable: true, summary: 'The message queue holds as many messages as it may.', remedy: 'Send again when its consumers have caught up, or raise its maxSize.' },
  CHANNEL_INACTIVE: { status: 409, retryable: false, summary: 'The channel or queue is switched off and takes no messages.', remedy: 'Switch it on with `isActive: true`, or use another.' },
  DELIVERY_LOST: { status: 409, retryable: false, summary: 'The lease of a message was over and it was handed out again; what the earlier holder says about it is refused.', remedy: 'Drop the result: the message is handled by another. Raise `leaseMs`, or call `extend` in long work.' },
  HOT_TIER_UNAVAILABLE: { status: 503, retryable: true, summary: 'The hot tier (KV) is down; this write needs it.', remedy: "Wait for it to return, or write with `ack: 'durable'` and without `ifRevision`, which goes straight to SQL." },
  PAYLOAD_ENCRYPTED: { status: 422, retryable: false, summary: 'A stored payload is encrypted with a key that was not given.', remedy: 'Pass `encryption` with the key that `details.keyId` names.' },
  PAYLOAD_UNAUTHENTICATED: { status: 500, retryable: false, summary: 'Encryption is on, and a stored payload is not encrypted, was changed, or was moved.', remedy: 'Find out who wrote it; encrypted lineages read only what was encrypted for their place.' },
  AUTHENTICATION_FAILED: { status: 503, retryable: false, summary: 'A server refused the credentials.', remedy: 'Check user and password in the URL or in PG_USER, PG_PASSWORD, NATS_CREDS_FILE.' },
  PERMISSION_DENIED: { status: 403, retryable: false, summary: 'The actor may not do this.', remedy: 'Use an actor or a database role with the permission named in the message.' },
  METHOD_NOT_ALLOWED: { status: 405, retryable: false, summary: 'The path exists, but not with this HTTP method.', remedy: 'Use one of the methods in the header Allow; /openapi.json lists them.' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, retryable: false, summary: 'The request body is of a type the route does not take.', remedy: 'Send JSON with `Content-Type: application/json`.' },
  ORIGIN_REFUSED: { status: 403, retryable: false, summary: 'The request names a host or comes from a web page that the server does not serve.', remedy: 'Use http://localhost or http://127.0.0.1 with the port, or add the host name to `allowedHosts`.' },
  DATA_DIR_LOCKED: { status: 503, retryable: false, summary: 'Another process uses this data directory.', remedy: 'Stop that process, give this one another --data-dir, or let both use servers (--postgres, --nats).' },
  DATA_DIR_CORRUPT: { status: 500, retryable: false, summary: 'The data directory cannot be opened.', remedy: 'Restore it from a backup, or move it away and start with an empty one.' },
  PORT_IN_USE: { status: 503, retryable: false, summary: 'The port is taken by another process.', remedy: 'Stop that process, or choose another port with --port.' },
  CIRCUIT_OPEN: { status: 503, retryable: true, summary: 'A service was not called because its circuit breaker is open.', remedy: 'Wait for `details.retryAfterMs`, use another service, or look at the last failure with `resilience.breakers.get`.' },
  BULKHEAD_FULL: { status: 429, retryable: true, summary: 'As many calls of a service as allowed run already.', remedy: 'Call again later, or raise maxConcurrent or maxQueued.' },
  LEADERSHIP_LOST: { status: 409, retryable: false, summary: 'This process led a duty and does not any more.', remedy: 'Do nothing: the process that leads now goes on with the work.' },
  SAGA_LEASE_LOST: { status: 409, retryable: false, summary: 'This process ran a saga and another one has taken it over.', remedy: 'Do nothing: the process that holds the saga now goes on with it.' },
  SAGA_CHECK_FAILED: { status: 422, retryable: false, summary: 'The check of a saga refused what its SQL steps did; they were rolled back.', remedy: 'Read what the check says, and start a saga with input that fits.' },
  COMPENSATION_FAILED: { status: 500, retryable: false, summary: 'A step of a saga could not be undone; the saga waits for an operator.', remedy: 'See `cairn sagas show`; mend the cause, then `cairn sagas retry`, `skip` or `resolve`.' },
  DEBATE_BUSY: { status: 409, retryable: true, summary: 'Another process runs the debate.', remedy: 'Leave it to that one, or wait for `details.retryAfterMs` and try again (`waitMs` does).' },
  DEBATE_LEASE_LOST: { status: 409, retryable: false, summary: 'This process ran a debate that has ended, or that another one has taken over.', remedy: 'Do nothing: the process that holds the debate now goes on with it.' },
  TURN_NOT_OPEN: { status: 409, retryable: false, summary: 'The debate does not wait for this participant now.', remedy: 'See `awaited` of the debate for whom it waits; a turn that was passed over does not come back.' },
  MODEL_UNAVAILABLE: { status: 409, retryable: false, summary: 'The model is switched off, or no healthy one has what is asked for.', remedy: 'Choose another, or set its status to available; `models.list` shows status and health.' },
  COLLABORATION_LIMIT: { status: 429, retryable: true, summary: 'The partnership has as many collaborations in progress as it may.', remedy: 'Wait until one of them ends, or raise `maxConcurrent` of the partnership.' },
  ROLLBACK_IMPOSSIBLE: { status: 409, retryable: false, summary: 'A version cannot be gone back to, because data it needs are deleted.', remedy: 'Go back to a newer version; the message says from where on that is possible.' },
  CAPABILITY_MISSING: { status: 501, retryable: false, summary: 'The engine in use cannot do this.', remedy: 'See docs/engines.md for what each engine can do.' },
  MIGRATION_CHANGED: { status: 500, retryable: false, summary: 'A migration file was edited after it had been applied.', remedy: 'Put the file back as it was and add a new migration for the change.' },
  MIGRATION_FAILED: { status: 500, retryable: false, summary: 'A migration did not run to its end.', remedy: 'Read the cause, correct it, and run `cairn migrate up` again: it continues where it stopped.' },
  MIGRATION_INVALID: { status: 500, retryable: false, summary: 'A migration file is malformed or the set of files is inconsistent.', remedy: 'Correct the file named in the message.' },
  MIGRATION_IRREVERSIBLE: { status: 409, retryable: false, summary: 'A migration that cannot be rolled back stands in the way of a rollback.', remedy: 'Roll back fewer migrations, or restore a backup.' },
  SCHEMA_TOO_NEW: { status: 500, retryable: false, summary: 'The database was migrated by a newer program in a way this one does not understand.', remedy: 'Update this program.' },
  SCHEMA_OUTDATED: { status: 500, retryable: false, summary: 'The database lacks migrations this program needs.', remedy: 'Run `cairn migrate up`.' },
  IMPORT_MALFORMED: { status: 400, retryable: false, summary: 'The file to import does not have the expected form.', remedy: 'Correct the place named in the message.' },
  CLOSED: { status: 503, retryable: false, summary: 'Cairn has been closed.', remedy: 'Open a new instance.' },
  UNKNOWN: { status: 500, retryable: false, summary: 'An error that has no code of its own.', remedy: 'Read the cause; report it if it looks like a fault of Cairn.' },
} as const satisfies Record<string, ErrorCodeEntry>

export interface ErrorCodeEntry {
  readonly status: number
  readonly retryable: boolean
  readonly summary: string
  readonly remedy: string
}

/** One of the stable codes; see docs/errors.md. */
export type ErrorCode = keyof typeof ERROR_CODES
