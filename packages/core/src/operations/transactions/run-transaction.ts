import { randomUUID } from 'node:crypto'
import {
  TRANSACTION_BOUNDARIES,
  boundarySettings,
  determineIsolationLevel,
  type IsolationLevel,
  type SqlEngine,
  type SqlSession,
  type TransactionBoundary,
} from '../../engines/sql/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import { RETRY_DEFAULTS, failureClass } from '../../resilience/index.ts'
import { Compensations } from './compensations.ts'
import type { CairnTransaction, CairnTransactionOptions } from './transaction-options.ts'

export interface TransactionDeps {
  readonly sql: SqlEngine
  readonly identity: TenantIdentity
  readonly log: Logger
}

const ISOLATIONS: readonly IsolationLevel[] = ['read uncommitted', 'read committed', 'repeatable read', 'serializable']
/** Boundaries whose every step is worth a line in the log. */
const TRACED: ReadonlySet<TransactionBoundary> = new Set<TransactionBoundary>(['cross-system', 'distributed-saga'])

/** Runs `work` in a transaction of the caller's tenant; see `Cairn.transaction`, which documents it. */
export async function runCairnTransaction<T>(deps: TransactionDeps, options: CairnTransactionOptions, work: (tx: CairnTransaction) => Promise<T>): Promise<T> {
  const { boundary = 'single-operation', attempts = RETRY_DEFAULTS.attempts, correlationId = randomUUID(), timeoutMs, agentId, signal, readOnly, validate } = options
  oneOf('boundary', boundary, TRANSACTION_BOUNDARIES)
  if (options.isolation !== undefined) oneOf('isolation', options.isolation, ISOLATIONS)
  const isolation = determineIsolationLevel(options, options.isolation)
  const settings = boundarySettings({ boundary, timeoutMs, agentId })
  const log = tracer(deps.log, boundary, { correlationId, boundary, agentId, tenant: deps.identity.tenant })

  let attempt = 0
  const compensations = new Compensations(deps.log, correlationId)
  const once = async (session: SqlSession): Promise<T> => {
    attempt += 1
    // What the try before left: it was rolled back, or this one would not run.
    await compensations.run()
    log('A transaction begins', { attempt, isolation })
    const context = { boundary, isolation, timeoutMs, retry: { attempts, attempt }, correlationId, agentId, compensations: compensations.names }
    const tx = makeTransaction(session, context, compensations)
    const value = await work(tx)
    await check(validate, tx)
    return value
  }
  try {
    const value = await deps.sql.transaction(deps.identity, once, {
      isolation,
      attempts,
      settings,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(signal === undefined ? {} : { signal }),
      ...(readOnly === undefined ? {} : { readOnly }),
      onRetry: (error) => log('A transaction runs again', { attempt, failure: failureClass(error) }),
    })
    log('A transaction was committed', { attempt })
    return value
  } catch (error) {
    log('A transaction failed', { attempt, failure: failureClass(error), code: isCairnError(error) ? error.code : undefined })
    if (!isCairnError(error, 'OUTCOME_UNKNOWN')) await compensations.run()
    throw error
  }
}

function makeTransaction(session: SqlSession, context: CairnTransaction['context'], compensations: Compensations): CairnTransaction {
  return {
    query: (text, values, named) => session.query(text, values, named),
    exec: (script) => session.exec(script),
    context,
    compensate: (name, undo) => compensations.add(name, undo),
  }
}

async function check(validate: CairnTransactionOptions['validate'], tx: CairnTransaction): Promise<void> {
  const found = await validate?.(tx)
  if (found === undefined || found === true) return
  const reason = found === false ? 'the check returned false' : found
  throw new CairnError('VALIDATION_FAILED', `The transaction was rolled back, because the check before its commit refused it: ${reason}.`, {
    details: { correlationId: tx.context.correlationId, reason },
  })
}

function tracer(log: Logger, boundary: TransactionBoundary, fields: object): (message: string, more: object) => void {
  return (message, more) => (TRACED.has(boundary) ? log.info({ ...fields, ...more }, message) : log.debug({ ...fields, ...more }, message))
}

function oneOf(field: string, value: string, allowed: readonly string[]): void {
  if (allowed.includes(value)) return
  throw new CairnError('INVALID_ARGUMENT', `${field}: ${JSON.stringify(value)} is none of ${allowed.join(', ')}.`, { details: { field } })
}
