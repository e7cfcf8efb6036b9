import type { PoolCheck } from '../sql-engine.ts'
import type { PostgresPool } from './postgres-pool.ts'

/** S4 §5.5. */
const LIMIT_MS = 5_000

/** Takes a connection and asks for an answer, within 5 s. Never rejects. */
export async function checkPool(pool: PostgresPool): Promise<PoolCheck> {
  const started = performance.now()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${LIMIT_MS} ms`)), LIMIT_MS)
  })
  const asked = ask(pool)
  // What comes after the time limit is nobody's concern any more.
  asked.catch(() => {})
  let error: string | null = null
  try {
    await Promise.race([asked, late])
  } catch (failure) {
    error = failure instanceof Error ? failure.message : String(failure)
  } finally {
    clearTimeout(timer)
  }
  const latencyMs = error === null ? performance.now() - started : null
  pool.meter.checked(error === null)
  const { name, label, address, open, idle } = pool.status()
  return { name, label, address, healthy: error === null, latencyMs, error, active: open - idle, idle }
}

async function ask(pool: PostgresPool): Promise<void> {
  const { connection, release } = await pool.acquire()
  try {
    await connection.query('SELECT 1', [], { name: 'cairn_ping' })
  } finally {
    release()
  }
}
