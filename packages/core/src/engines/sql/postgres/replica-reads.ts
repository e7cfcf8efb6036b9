import { setTimeout as sleep } from 'node:timers/promises'
import { isCairnError } from '../../../errors/index.ts'
import { parsePosition } from '../wal-position.ts'
import type { Lease } from './postgres-pool.ts'
import { READ_REPLICA } from './replica-queries.ts'
import type { ReplicaSet } from './replica-set.ts'

/** So long a read waits for replicas to replay what the caller wrote; then the primary answers. */
const CATCH_UP_MS = 100
const ASK_AGAIN_MS = 5

const NOT_SERVED = Symbol('not served')

/** Runs a read on the replica whose turn it is, on the next when that one fails, and on the primary when none is left. */
export async function readOnReplica<T>(
  replicas: ReplicaSet,
  token: string | undefined,
  work: (lease: Lease) => Promise<T>,
  onPrimary: () => Promise<T>,
): Promise<T> {
  const position = token === undefined ? undefined : parsePosition(token)
  const deadline = performance.now() + CATCH_UP_MS
  for (const pool of replicas.inTurn()) {
    try {
      const value = await readOn(await pool.acquire(), replicas, position, deadline, work)
      if (value !== NOT_SERVED) return value
    } catch (error) {
      if (isCairnError(error, 'CONNECTION_FAILED') || isCairnError(error, 'AUTHENTICATION_FAILED') || isCairnError(error, 'OUTCOME_UNKNOWN')) replicas.failed(pool, error)
      else if (!isRecoveryConflict(error)) throw error
    }
  }
  return onPrimary()
}

async function readOn<T>(lease: Lease, replicas: ReplicaSet, position: bigint | undefined, deadline: number, work: (lease: Lease) => Promise<T>): Promise<T | typeof NOT_SERVED> {
  try {
    if (position !== undefined && !(await caughtUp(lease, replicas, position, deadline))) return NOT_SERVED
    return await work(lease)
  } finally {
    lease.release()
  }
}

async function caughtUp({ connection }: Lease, replicas: ReplicaSet, position: bigint, deadline: number): Promise<boolean> {
  while (!replicas.hasReplayed(connection, position)) {
    const { rows } = await connection.query<{ position: string }>(READ_REPLICA, [null], { name: 'cairn_read_replica' })
    replicas.replayed(connection, rows[0]?.position ?? '0/0')
    if (replicas.hasReplayed(connection, position)) return true
    if (performance.now() > deadline) return false
    await sleep(ASK_AGAIN_MS)
  }
  return true
}

/** The standby cancelled the read, because replaying needed what it looked at. */
function isRecoveryConflict(error: unknown): boolean {
  return isCairnError(error, 'SERIALIZATION_FAILURE') && error.message.includes('conflict with recovery')
}
