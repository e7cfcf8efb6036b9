import { CairnError, isCairnError } from '../../errors/index.ts'
import type { Identity } from '../../identity/index.ts'
import { mayRunAgain, withRetry } from '../../resilience/index.ts'
import type { SqlConnection } from './sql-connection.ts'
import type { SqlSession, TransactionOptions } from './sql-engine.ts'
import { timeLimit } from './time-limit.ts'

const SET_LOCAL = 'SELECT set_config(name, value, true) FROM unnest($1::text[], $2::text[]) AS setting (name, value)'

export interface TransactionMode {
  /** Identity inside the transaction, for poolers that give each transaction another server connection. */
  readonly localIdentity: boolean
  /** True where the server ends a slow statement itself; false where the caller's clock must. */
  readonly serverTimeout: boolean
}

/** Runs the whole transaction again where that can help: serialization, deadlock, and a connection lost before COMMIT. */
export function withReruns<T>(options: TransactionOptions, attempt: () => Promise<T>): Promise<T> {
  const { attempts = 1, signal, onRetry } = options
  return withRetry(attempt, { attempts, retryable: mayRunAgain, ...(signal === undefined ? {} : { signal }), ...(onRetry === undefined ? {} : { onRetry }) })
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
  const begin = beginScript(options, mode)
  const session = new TransactionSession(connection, mode.serverTimeout ? undefined : options.timeoutMs)
  let value: T
  try {
    await connection.exec(begin)
    if (mode.localIdentity) await connection.identifyTransaction(identity)
    await setLocal(connection, options, mode)
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
  const timeout = mode.serverTimeout && options.timeoutMs !== undefined ? `; SET LOCAL statement_timeout = ${timeLimit(options.timeoutMs)}` : ''
  return begin + timeout
}

async function setLocal(connection: SqlConnection, { settings }: TransactionOptions, mode: TransactionMode): Promise<void> {
  // Where the server keeps no time, its time limits mean nothing.
  const kept = settings?.filter(([name]) => mode.serverTimeout || !name.endsWith('_timeout')) ?? []
  if (kept.length > 0) await connection.query(SET_LOCAL, [kept.map(([name]) => name), kept.map(([, value]) => value)])
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
    throw new CairnError('OUTCOME_UNKNOWN', `${error.message} It was lost while committing: the transaction may or may not have been stored. Look before you run it again.`, {
      cause: error,
      details: error.details,
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
