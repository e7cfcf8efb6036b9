import { CairnError } from '../../errors/index.ts'

export const TRANSACTION_BOUNDARIES = ['single-operation', 'agent-task', 'cross-system', 'distributed-saga'] as const

/** What a transaction encloses; it decides the settings it runs with (S4 §5.3). */
export type TransactionBoundary = (typeof TRANSACTION_BOUNDARIES)[number]

/** PostgreSQL treats READ UNCOMMITTED as READ COMMITTED; the name is taken and means the same. */
export type IsolationLevel = 'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable'

/** What a transaction does, for choosing its isolation. */
export interface TransactionNature {
  /** It has effects outside SQL as well (the hot tier, a message, another service). */
  readonly crossSystem?: boolean
  /** Others read or write the same rows. */
  readonly sharedState?: boolean
  readonly writes?: boolean
}

/**
 * What was chosen wins; else across systems on shared rows SERIALIZABLE, writes on shared rows REPEATABLE READ, and
 * READ COMMITTED otherwise. Source: S4 §5.3.
 */
export function determineIsolationLevel(nature: TransactionNature, chosen?: IsolationLevel): IsolationLevel {
  if (chosen !== undefined) return chosen
  const { crossSystem = false, sharedState = false, writes = false } = nature
  if (crossSystem && sharedState) return 'serializable'
  return writes && sharedState ? 'repeatable read' : 'read committed'
}

/** Name and value of a setting that lasts until the end of the transaction. */
export type LocalSetting = readonly [name: string, value: string]

export interface BoundaryInput {
  readonly boundary: TransactionBoundary
  /** Ends each statement that runs longer. */
  readonly timeoutMs?: number | undefined
  /** Id or key of the agent; shown in pg_stat_activity as `agent_<id>`. */
  readonly agentId?: string | undefined
}

const IDLE_MS: Readonly<Record<TransactionBoundary, number | undefined>> = {
  'single-operation': undefined,
  'agent-task': 60_000,
  'cross-system': 30_000,
  'distributed-saga': 120_000,
}
/** PostgreSQL cuts longer names, and shows bytes that are not printable ASCII as `?`. */
const APPLICATION_NAME_BYTES = 63

/**
 * The settings of a transaction of this boundary, in milliseconds where they are times. They are passed as parameters,
 * so an agent's name cannot become SQL. Sagas are traced by the library, because `log_statement` is for superusers only.
 */
export function boundarySettings({ boundary, timeoutMs, agentId }: BoundaryInput): LocalSetting[] {
  const settings: LocalSetting[] = []
  if (timeoutMs !== undefined) settings.push(['statement_timeout', wholeMs(timeoutMs)])
  const idleMs = IDLE_MS[boundary]
  if (idleMs !== undefined) settings.push(['idle_in_transaction_session_timeout', wholeMs(idleMs)])
  if (boundary === 'agent-task' && agentId !== undefined) settings.push(['application_name', applicationName(agentId)])
  // Only ever raised: a server that waits for its standbys (remote_apply) keeps that.
  if (boundary === 'cross-system' || boundary === 'distributed-saga') settings.push(['synchronous_commit', 'on'])
  return settings
}

/** 0 would mean no limit at all. */
function wholeMs(ms: number): string {
  if (!(ms > 0) || !Number.isFinite(ms)) throw new CairnError('INVALID_ARGUMENT', `timeoutMs: ${ms} is not a time. Give milliseconds above 0.`, { details: { field: 'timeoutMs' } })
  return String(Math.max(1, Math.min(2_147_483_647, Math.ceil(ms))))
}

function applicationName(agentId: string): string {
  return `agent_${agentId.replaceAll(/[^\x20-\x7e]/g, '?')}`.slice(0, APPLICATION_NAME_BYTES)
}
