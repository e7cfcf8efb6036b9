import { CairnError } from '../../errors/index.ts'

export interface PoolLoad {
  /** Agents that run at the same time. */
  readonly agents: number
  /** Operations a second, of all agents together. */
  readonly opsPerSecond: number
  /** How long an operation keeps its connection, on average. */
  readonly durationMs: number
  /** Connections that the server can give to this pool. @default no limit */
  readonly maxConnections?: number
}

export interface PoolAdvice {
  readonly max: number
  readonly min: number
  /** How the numbers come about, a sentence each. */
  readonly reasoning: readonly string[]
  /** What can go wrong with them; empty when nothing is known. */
  readonly risks: readonly string[]
}

/** A pool that is used more than this makes callers wait. */
const UTILIZATION = 0.8
const MIN_SHARE = 0.2
const MOST = 50
const LEAST = 2

/** Not all agents work at once: the more there are, the smaller the share that does (S4 §5.2). */
export function concurrencyFactor(agents: number): number {
  if (agents <= 5) return 1
  return agents <= 20 ? 0.8 : 0.6
}

/**
 * The size of a pool by Little's law: operations a second × time of each ÷ 0.8 × the concurrency factor, kept between
 * max(2, agents ÷ 4) and min(50, agents × 2). Never below what the load occupies by itself, which the factor and the
 * upper bound could go below. INVALID_ARGUMENT for a negative number. Source: S4 §5.2.
 */
export function advisePoolSize(load: PoolLoad): PoolAdvice {
  const { agents, opsPerSecond, durationMs, maxConnections = Infinity } = load
  for (const field of ['agents', 'opsPerSecond', 'durationMs'] as const) {
    if (!(load[field] >= 0) || !Number.isFinite(load[field])) throw invalid(field, load[field], '0 or more')
  }
  if (!(maxConnections >= 1)) throw invalid('maxConnections', maxConnections, '1 or more')

  const occupied = (opsPerSecond * durationMs) / 1000
  const factor = concurrencyFactor(agents)
  const wanted = (occupied / UTILIZATION) * factor
  const upper = Math.max(LEAST, Math.min(MOST, agents * 2))
  const lower = Math.min(Math.max(LEAST, agents / 4), upper)
  const bounded = Math.min(Math.max(wanted, lower), upper)
  const needed = whole(Math.max(bounded, occupied))
  const max = Math.min(needed, Math.floor(maxConnections))
  const min = Math.min(max, whole(max * MIN_SHARE))

  const reasoning = [
    `${n(opsPerSecond)} operations a second of ${n(durationMs)} ms each keep ${n(occupied)} connections busy on average (Little's law).`,
    `At ${UTILIZATION * 100} % utilisation, and with the factor ${factor} for ${n(agents)} agents, that asks for ${n(wanted)}.`,
    `The bounds for ${n(agents)} agents are ${n(lower)} to ${n(upper)}: ${bounded === wanted ? 'it lies between them' : `${n(bounded)} is taken`}.`,
    `${max} at most, and ${MIN_SHARE * 100} % of them, ${min}, are kept when idle.`,
  ]
  const risks: string[] = []
  if (occupied > bounded) risks.push(`The rules alone give ${n(bounded)}, fewer than the ${n(occupied)} that the load keeps busy by itself; ${needed} are needed. Shorter operations help more than connections.`)
  if (max < needed) risks.push(`The server gives ${max} of the ${needed} that are needed: callers will wait. Raise max_connections, or put a pooler in between.`)
  else if (occupied > 0 && occupied / max > UTILIZATION) risks.push(`With ${max} connections the utilisation is ${n((occupied / max) * 100)} %, above ${UTILIZATION * 100} %: waits grow quickly when the load does.`)
  return { max, min, reasoning, risks }
}

/** Rounds up, but not because of the last bit of a division. */
function whole(value: number): number {
  return Math.ceil(value - 1e-9)
}

function n(value: number): string {
  return String(Math.round(value * 100) / 100)
}

function invalid(field: string, value: number, wanted: string): CairnError {
  return new CairnError('INVALID_ARGUMENT', `${field}: ${value} is not a number that a pool can be sized by. Give ${wanted}.`, { details: { field } })
}
