import { setTimeout as sleep } from 'node:timers/promises'
import { CairnError, isCairnError } from '../../errors/index.ts'
import type { Identity } from '../../identity/index.ts'
import type { SqlConnection } from './sql-connection.ts'
import type { SqlSession, TransactionOptions } from './sql-engine.ts'

const BACKOFF_BASE_MS = 100
const BACKOFF_CAP_MS = 5000

export interface TransactionMode {
  /** Identity inside the transaction, for poolers that give each transaction another server connection. */
  readonly localIdentity: boolean
  /** True where the server ends a slow statement itself; false where the caller's clock must. */
  readonly serverTimeout: boolean
}

/** Runs `attempt` again after SERIALIZATION_FAILURE or DEADLOCK: exponential backoff with full jitter, 100 ms base, 5 s cap. */
export async function withRetries<T>(attempts: number, attempt: () => Promise<T>): Promise<T> {
  for (let done = 1; ; done += 1) {
    try {
      return await attempt()
    } catch (error) {
      const again = isCairnError(error, 'SERIALIZATION_FAILURE') || isCairnError(error, 'DEADLOCK')
      if (!again || done >= attempts) throw error
      await sleep(Math.random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** (done - 1)))
    }
  }
}

/** One transaction on one connection; the connection is marked broken when it could not be ended. */
export async function runTransaction<T>(
  connection: SqlConnection,
  identity: Identity,
  run: (session: SqlSession) => Promise<T>,
  options: TransactionOptions,
  mode: TransactionMode,
): Promise<T> {
  if (!mode.localIdentity) await connection.identify(identity)
  await connection.exec(beginScript(options, mode))
  const session = new TransactionSession(connection, mode.serverTimeout ? undefined : options.timeoutMs)
  let value: T
  try {
    if (mode.localIdentity) await connection.identifyTransaction(identity)
    value = await run(session)
  } catch (error) {
    session.end()
    await rollback(connection)
    throw error
  }
  session.end()
  await commit(connection, session)
  return value
}

function beginScript(options: TransactionOptions, mode: TransactionMode): string {
  const isolation = (options.isolation ?? 'read committed').toUpperCase()
  const begin = `BEGIN ISOLATION LEVEL ${isolation} ${options.readOnly === true ? 'READ ONLY' : 'READ WRITE'}`
  const timeout = mode.serverTimeout && options.timeoutMs !== undefined ? `; SET LOCAL statement_timeout = ${Math.max(1, Math.ceil(options.timeoutMs))}` : ''
  return begin + timeout
}

async function rollback(connection: SqlConnection): Promise<void> {
  if (connection.broken) return
  try {
    await connection.exec('ROLLBACK')
  } catch {
    connection.broken = true
  }
}

async function commit(connection: SqlConnection, session: TransactionSession): Promise<void> {
  let tag: string
  try {
    tag = await connection.exec('COMMIT')
  } catch (error) {
    if (!isCairnError(error, 'CONNECTION_FAILED')) {
      await rollback(connection)
      throw error
    }
    throw new CairnError('CONNECTION_FAILED', `${error.message} It was lost while committing: the transaction may or may not have been stored.`, {
      cause: error,
      details: { ...error.details, outcome: 'unknown' },
    })
  }
  // After a failed statement COMMIT rolls back and reports no error.
  if (tag === 'ROLLBACK') {
    throw session.firstError ?? new CairnError('UNKNOWN', 'The transaction was rolled back instead of committed, because a statement in it had failed.')
  }
}

class TransactionSession implements SqlSession {
  firstError: unknown
  readonly #connection: SqlConnection
  readonly #timeoutMs: number | undefined
  #ended = false

  constructor(connection: SqlConnection, timeoutMs: number | undefined) {
    this.#connection = connection
    this.#timeoutMs = timeoutMs
  }

  query<Row>(text: string, values?: readonly unknown[], options?: { name?: string }) {
    return this.#guarded(() => this.#connection.query<Row>(text, values, { ...options, ...this.#limit() }))
  }

  async exec(script: string): Promise<void> {
    await this.#guarded(() => this.#connection.exec(script, this.#timeoutMs))
  }

  end(): void {
    this.#ended = true
  }

  #limit(): { timeoutMs?: number } {
    return this.#timeoutMs === undefined ? {} : { timeoutMs: this.#timeoutMs }
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    if (this.#ended) throw new CairnError('INVALID_ARGUMENT', 'The transaction of this session has ended. Await every statement inside the function that got the session.')
    try {
      return await work()
    } catch (error) {
      this.firstError ??= error
      throw error
    }
  }
}
