import { LRUCache } from 'lru-cache'
import type { SqlEngine } from '../../engines/sql/index.ts'
import { isCairnError } from '../../errors/index.ts'
import { MAINTENANCE, type TenantIdentity } from '../../identity/index.ts'
import type { Logger } from '../../observability/index.ts'
import { CLEAR_TERMS, COUNT_LEXEMES, COUNT_MEMORIES, COUNT_TENANT, FILL_TERMS, KNOWN_STATISTICS, LOCK_STATISTICS, PUT_STATISTICS } from './recall-queries.ts'

/** Up to here words are counted by the index when they are asked for; a tenant with more gets a table of them. */
const SMALL = 2_000
const COUNT_AT_MOST = 3_000
const KEEP_MS = 30_000
/** Figures of the table are as old as ten minutes anyway. */
const KEEP_TABLE_MS = 120_000
const STALE_MS = 600_000
/** Words in fewer memories get no row: every memory that has one becomes a candidate, so that the ranker can count them itself. */
const RARE = 20
/** So many memories tell how common a common word is. */
const SAMPLE = 30_000

interface Totals {
  readonly memories: number
  readonly averageWords: number
  readonly share: number
}

export interface TextStatistics {
  /** Of the tenant, or a lower bound. */
  readonly memories: number
  readonly averageWords: number
  /** Of all tenants' memories, about so many are this one's: 0 to 1. */
  readonly share: number
  /** By lexeme: in how many memories it is; of rare ones an upper bound. */
  readonly frequency: ReadonlyMap<string, number>
}

/** How often words occur in the memories of a tenant; kept up in the background by whoever asks. */
export class TermStatistics {
  readonly #sql: SqlEngine
  readonly #log: Logger
  readonly #totals = new LRUCache<string, Totals>({ max: 1_000, ttl: KEEP_MS })
  readonly #counts = new LRUCache<string, number>({ max: 100_000, ttl: KEEP_MS })
  readonly #refreshing = new Map<string, Promise<void>>()

  constructor(sql: SqlEngine, log: Logger) {
    this.#sql = sql
    this.#log = log
  }

  /** One or two statements; none when all of it was asked for a short while ago. */
  async of(identity: TenantIdentity, lexemes: readonly string[]): Promise<TextStatistics> {
    const { tenant } = identity
    const total = this.#totals.get(tenant)
    const missing = lexemes.filter((lexeme) => this.#counts.get(`${tenant} ${lexeme}`) === undefined)
    const totals = total !== undefined && missing.length === 0 ? total : await this.#read(identity, missing)
    return { ...totals, frequency: new Map(lexemes.map((lexeme) => [lexeme, this.#counts.get(`${tenant} ${lexeme}`) ?? 0])) }
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await Promise.all(this.#refreshing.values())
  }

  async #read(identity: TenantIdentity, lexemes: readonly string[]): Promise<Totals> {
    const { tenant } = identity
    const { rows } = await this.#sql.query<{ lexeme: string | null; memories: number; average_words: number; age: number; all_memories: number }>(identity, KNOWN_STATISTICS, [tenant, lexemes], { name: 'recall_statistics' })
    const known = rows.find(({ lexeme }) => lexeme === null)
    if (known === undefined) return this.#count(tenant, lexemes)
    for (const lexeme of lexemes) this.#counts.set(`${tenant} ${lexeme}`, RARE, { ttl: KEEP_TABLE_MS })
    for (const row of rows) if (row.lexeme !== null) this.#counts.set(`${tenant} ${row.lexeme}`, row.memories, { ttl: KEEP_TABLE_MS })
    if (known.age * 1000 > STALE_MS) void this.refresh(tenant)
    const totals = { memories: known.memories, averageWords: known.average_words, share: Math.min(1, known.memories / Math.max(known.all_memories, 1)) }
    this.#totals.set(tenant, totals, { ttl: KEEP_TABLE_MS })
    return totals
  }

  async #count(tenant: string, lexemes: readonly string[]): Promise<Totals> {
    const [total, words] = await Promise.all([
      this.#totals.get(tenant) ?? this.#sql.query<{ memories: number; average_words: number }>(MAINTENANCE, COUNT_MEMORIES, [tenant, SMALL + 1], { name: 'recall_count' }),
      this.#sql.query<{ lexeme: string; memories: number }>(MAINTENANCE, COUNT_LEXEMES, [tenant, lexemes, COUNT_AT_MOST], { name: 'recall_count_lexemes' }),
    ])
    for (const { lexeme, memories } of words.rows) this.#counts.set(`${tenant} ${lexeme}`, memories)
    const totals = 'rows' in total ? { memories: total.rows[0]?.memories ?? 0, averageWords: total.rows[0]?.average_words ?? 0, share: 0 } : total
    if (totals.memories > SMALL) void this.refresh(tenant)
    this.#totals.set(tenant, totals)
    return totals
  }

  /** Makes the figures of a tenant anew, once at a time. */
  refresh(tenant: string): Promise<void> {
    const running = this.#refreshing.get(tenant)
    if (running !== undefined) return running
    const work = this.#refresh(tenant)
      .catch((error: unknown) => {
        if (!isCairnError(error, 'CLOSED')) this.#log.warn({ err: error, tenant }, 'the words of the memories could not be counted; recall goes on with older figures')
      })
      .finally(() => this.#refreshing.delete(tenant))
    this.#refreshing.set(tenant, work)
    return work
  }

  async #refresh(tenant: string): Promise<void> {
    const { rows } = await this.#sql.query<{ memories: number }>(MAINTENANCE, COUNT_TENANT, [tenant], { pool: 'background' })
    const memories = rows[0]?.memories ?? 0
    const percent = Math.min(100, (100 * SAMPLE) / Math.max(memories, 1))
    await this.#sql.transaction(
      MAINTENANCE,
      async (session) => {
        const lock = await session.query<{ mine: boolean }>(LOCK_STATISTICS, [tenant])
        if (lock.rows[0]?.mine !== true) return
        await session.query(CLEAR_TERMS, [tenant])
        await session.query(FILL_TERMS, [tenant, percent, RARE])
        await session.query(PUT_STATISTICS, [tenant, memories, percent])
      },
      { pool: 'background', timeoutMs: 300_000 },
    )
    this.#totals.delete(tenant)
    for (const key of this.#counts.keys()) if (key.startsWith(`${tenant} `)) this.#counts.delete(key)
  }
}
