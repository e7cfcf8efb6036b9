import { createHash } from 'node:crypto'
import type { Term } from '../../engines/leadership/index.ts'
import type { SqlEngine, SqlSession, TransactionOptions } from '../../engines/sql/index.ts'
import { type ErrorCode, isCairnError } from '../../errors/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import { type NewTask, TasksService } from '../tasks/index.ts'
import { DUE_SCHEDULES, MOVE_SCHEDULES } from './schedules-queries.ts'
import { ticksToMake } from './timing.ts'
import type { Schedule } from './types.ts'

/** Schedules and tasks of one transaction: few enough that the embedded engine's only connection is soon free again. */
const BATCH = 500
const TASKS = 2000
/** And of so much JSON: what schedules of many missed ticks and large payloads make would else not fit into the process. */
const BYTES = 16 * 1_048_576
/** A leader that is frozen inside its transaction keeps others from leading until PostgreSQL ends it. */
const IDLE_MS = 10_000
/** What is wrong with one schedule, and would be wrong again. */
const OF_THE_SCHEDULE: ReadonlySet<ErrorCode> = new Set(['INVALID_ARGUMENT', 'AGENT_NOT_FOUND', 'TASK_NOT_FOUND', 'SERIALIZATION_ERROR', 'PAYLOAD_TOO_LARGE', 'CONSTRAINT_VIOLATION', 'DUPLICATE_KEY'])

interface Due extends Schedule {
  readonly tenant: string
  readonly now: Date
  readonly taskBytes: number
}

interface Move {
  readonly due: Due
  readonly ticks: readonly number[]
  readonly next: number | null
  readonly error?: string
  readonly broken?: boolean
}

export interface Ticker {
  readonly sql: SqlEngine
  readonly log: Logger
  readonly term: Term
}

/**
 * Makes the tasks of what is due and moves it on, in one transaction that is fenced: either both are stored and this process leads, or
 * neither. Returns true when there may be more. A schedule whose task cannot be made does not keep the others back: it gets the error
 * and moves on.
 */
export async function makeDueTicks(ticker: Ticker): Promise<boolean> {
  return makeTicksOf(ticker, null)
}

async function makeTicksOf(ticker: Ticker, only: readonly string[] | null): Promise<boolean> {
  let ids: readonly string[] = []
  try {
    return await inTerm(ticker, async (session) => {
      const { rows } = await session.query<Due>(DUE_SCHEDULES, [BATCH, only], { name: 'schedules_due' })
      const moves: Move[] = []
      let tasks = 0
      let bytes = 0
      for (const due of rows) {
        if (tasks >= TASKS || bytes >= BYTES) break
        const move = fitting(moveOf(due))
        tasks += move.ticks.length
        bytes += move.ticks.length * move.due.taskBytes
        moves.push(move)
      }
      ids = moves.map(({ due }) => due.id)
      if (moves.length === 0) return false
      const made = await enqueue(ticker, session, moves)
      await store(session, moves, made)
      return rows.length === BATCH || moves.length < rows.length
    })
  } catch (error) {
    if (!isCairnError(error) || !OF_THE_SCHEDULE.has(error.code)) throw error
    if (ids.length === 1) await passOver(ticker, ids[0] as string, error.message)
    else {
      const half = Math.ceil(ids.length / 2)
      await makeTicksOf(ticker, ids.slice(0, half))
      await makeTicksOf(ticker, ids.slice(half))
    }
    return true
  }
}

async function passOver(ticker: Ticker, id: string, problem: string): Promise<void> {
  await inTerm(ticker, async (session) => {
    const { rows } = await session.query<Due>(DUE_SCHEDULES, [1, [id]], { name: 'schedules_due' })
    await store(session, rows.map((due) => ({ ...moveOf(due), ticks: [], error: problem })), new Map())
    for (const { tenant, key } of rows) ticker.log.warn({ tenant, schedule: key, problem }, 'a tick of a schedule made no task')
  })
}

function inTerm<T>({ sql, term }: Ticker, work: (session: SqlSession) => Promise<T>): Promise<T> {
  const options: TransactionOptions = sql.kind === 'postgres' ? { settings: [['idle_in_transaction_session_timeout', String(IDLE_MS)]] } : {}
  const run = async (session: SqlSession): Promise<T> => {
    await term.fence(session)
    return work(session)
  }
  return sql.transaction(MAINTENANCE, run, options)
}

function moveOf(due: Due): Move {
  try {
    return { due, ...ticksToMake(due, (due.nextRunAt as Date).getTime(), due.now.getTime()) }
  } catch (error) {
    // Its time zone or expression is no longer known: only a change of the schedule can help.
    return { due, ticks: [], next: null, error: (error as Error).message, broken: true }
  }
}

/** The oldest of its ticks that fit into one transaction; the next one is due at once. */
function fitting(move: Move): Move {
  const most = Math.max(1, Math.floor(BYTES / move.due.taskBytes))
  return move.ticks.length <= most ? move : { ...move, ticks: move.ticks.slice(0, most), next: move.ticks[most] as number }
}

/** The id of the last task of each schedule. */
async function enqueue({ sql, log }: Ticker, session: SqlSession, moves: readonly Move[]): Promise<Map<string, string>> {
  const byTenant = Map.groupBy(moves.filter(({ ticks }) => ticks.length > 0), ({ due }) => due.tenant)
  const made = new Map<string, string>()
  for (const [tenant, ofTenant] of byTenant) {
    const tasks = new TasksService({ sql, log, identity: { role: 'application', tenant, actor: { kind: 'service', id: 'schedules' } } })
    const wanted = ofTenant.flatMap(({ due, ticks }) => ticks.map((tick) => ({ due, task: taskOf(due, tick) })))
    const enqueued = await tasks.enqueueMany(wanted.map(({ task }) => task), { tx: session })
    wanted.forEach(({ due }, index) => made.set(due.id, (enqueued[index] as { id: string }).id))
  }
  return made
}

function taskOf(schedule: Schedule, tick: number): NewTask {
  const at = new Date(tick).toISOString()
  const { id, jitterMs } = schedule
  return {
    ...scheduledTask(schedule, at),
    key: `${id}:${at}`,
    ...(jitterMs === 0 ? {} : { runAt: new Date(tick + jitterOf(`${id}:${at}`, jitterMs)) }),
  }
}

/** The task of a schedule without its key; `at` is null when no tick makes it. */
export function scheduledTask({ id, key, task }: Pick<Schedule, 'id' | 'key' | 'task'>, at: string | null): NewTask {
  return { ...task, metadata: { ...task.metadata, schedule: { id, key, at } } }
}

/** The same for the same tick, whichever process makes it. */
function jitterOf(name: string, jitterMs: number): number {
  return Math.floor((createHash('sha256').update(name).digest().readUInt32BE(0) / 2 ** 32) * jitterMs)
}

async function store(session: SqlSession, moves: readonly Move[], made: ReadonlyMap<string, string>): Promise<void> {
  if (moves.length === 0) return
  const date = (ms: number | null | undefined): string | null => (ms === null || ms === undefined ? null : new Date(ms).toISOString())
  await session.query(
    MOVE_SCHEDULES,
    [
      moves.map(({ due }) => due.tenant),
      moves.map(({ due }) => due.id),
      moves.map(({ next }) => date(next)),
      moves.map(({ ticks }) => date(ticks.at(-1))),
      moves.map(({ due }) => made.get(due.id) ?? null),
      moves.map(({ ticks }) => ticks.length),
      moves.map(({ error }) => error ?? null),
      moves.map(({ broken }) => broken ?? false),
    ],
    { name: 'schedules_move' },
  )
}
