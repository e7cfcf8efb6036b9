import type { SqlEngine } from '../../engines/sql/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { CODECS } from './codecs.ts'
import { ADD_STATISTICS, ENSURE_ALGORITHMS } from './compression-queries.ts'
import type { CompressionAlgorithmId } from './words.ts'

/** What one call adds to the running sums. Times in microseconds. */
export interface CallRecord {
  readonly compressions?: number
  readonly plain?: number
  readonly compressed?: number
  readonly compress_us?: number
  readonly decompressions?: number
  readonly restored?: number
  readonly decompress_us?: number
  readonly failures?: number
}

interface Sums {
  algorithm: CompressionAlgorithmId
  level: number
  compressions: number
  plain: number
  compressed: number
  compress_us: number
  decompressions: number
  restored: number
  decompress_us: number
  failures: number
}

interface Batch {
  readonly sums: Map<string, Sums>
  readonly stored: Promise<void>
}

const recorders = new WeakMap<SqlEngine, Map<string, Recorder>>()

/**
 * Adds calls to the sums in the database. One statement at a time for each tenant of an engine: calls that end while one is
 * on its way share the next. Every sum is added in SQL, so that any number of processes may.
 */
class Recorder {
  readonly #context: DomainContext
  readonly #identity: TenantIdentity
  #next: Batch | undefined
  #last: Promise<void> = Promise.resolve()

  constructor(context: DomainContext) {
    this.#context = context
    this.#identity = context.identity
  }

  add(algorithm: CompressionAlgorithmId, level: number, record: CallRecord): Promise<void> {
    this.#next ??= this.#begin()
    const { sums, stored } = this.#next
    const key = `${algorithm}/${level}`
    const sum = sums.get(key) ?? { algorithm, level, compressions: 0, plain: 0, compressed: 0, compress_us: 0, decompressions: 0, restored: 0, decompress_us: 0, failures: 0 }
    for (const [name, amount] of Object.entries(record) as [keyof CallRecord, number][]) sum[name] += amount
    sums.set(key, sum)
    return stored
  }

  #begin(): Batch {
    const sums = new Map<string, Sums>()
    this.#last = this.#last.then(() => {
      this.#next = undefined
      return this.#store([...sums.values()])
    })
    return { sums, stored: this.#last }
  }

  /** A number that could not be stored is lost, with a warning: it must not fail what it counts. */
  async #store(sums: Sums[]): Promise<void> {
    const { sql, log } = this.#context
    const { tenant } = this.#identity
    const rows = sums.map((sum) => ({ ...sum, compress_us: Math.round(sum.compress_us), decompress_us: Math.round(sum.decompress_us) }))
    try {
      await sql.query(this.#identity, ADD_STATISTICS, [tenant, algorithmRows(rows.map(({ algorithm }) => algorithm)), JSON.stringify(rows)], { name: 'compression_add_statistics' })
    } catch (error) {
      log.warn({ err: error }, 'the statistics of some compression calls were not stored')
    }
  }
}

/** Resolves when the call is counted. Never rejects. */
export function recordCall(context: DomainContext, algorithm: CompressionAlgorithmId, level: number, record: CallRecord): Promise<void> {
  const byTenant = recorders.get(context.sql) ?? new Map<string, Recorder>()
  recorders.set(context.sql, byTenant)
  const recorder = byTenant.get(context.identity.tenant) ?? new Recorder(context)
  byTenant.set(context.identity.tenant, recorder)
  return recorder.add(algorithm, level, record)
}

/** The rows that foreign keys point to, made where they are missing. */
export async function ensureAlgorithms({ sql, identity }: DomainContext, ids: readonly CompressionAlgorithmId[]): Promise<void> {
  if (ids.length > 0) await sql.query(identity, ENSURE_ALGORITHMS, [identity.tenant, algorithmRows(ids)])
}

export function algorithmRows(ids: readonly CompressionAlgorithmId[]): string {
  return JSON.stringify([...new Set(ids)].map((id) => ({ id, name: CODECS[id].name, category: CODECS[id].category, parameters: { levels: CODECS[id].levels } })))
}
