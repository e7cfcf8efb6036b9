import { uuidv7 } from '../../ids/index.ts'
import * as z from 'zod'
import { check, checkUuid } from '../../checks/index.ts'
import { CairnError } from '../../errors/index.ts'
import { type Page, type PageOptions, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { memoryNotFound, oneStatement, requireMemory } from './memory-context.ts'
import type { GivenRetentionPolicy, MemoryRetentionPolicy } from '../../options/index.ts'
import { retentionPolicy } from './retention-policy.ts'
import { BEGIN_REPORT, COMPLETE_REPORT, DECIDE, DECIDE_AND_COUNT, DECIDE_AND_DO, LIST_DECISIONS, LIST_REPORTS, PRUNE_REPORTS } from './retention-queries.ts'
import type { RetainOptions, RetentionDecision, RetentionDecisionKind, RetentionReport } from './types.ts'

/** Memories a statement decides on. */
const BATCH = 1000
const KEPT_REPORTS = 100

const retainOptions = z.strictObject({ dryRun: z.boolean().default(false), policy: z.custom<GivenRetentionPolicy>().optional() })

interface Decided {
  readonly last: string | null
  readonly seen: number
  readonly counts: { readonly decision: RetentionDecisionKind; readonly rule: string; readonly count: number }[]
}

/** What retention keeps, archives and deletes, and why. Source: S3 §20 (memory retention by importance and priority). */
export class MemoryRetentionService {
  readonly #context: DomainContext
  readonly #defaults: MemoryRetentionPolicy

  constructor(context: DomainContext, defaults: MemoryRetentionPolicy) {
    this.#context = context
    this.#defaults = defaults
  }

  /**
   * Goes through the tenant's memories, a thousand a statement. Cut off, it has done what it had done, and noted why; the next pass goes on. The 100 newest
   * reports are kept. INVALID_ARGUMENT.
   */
  async run(options: RetainOptions = {}, signal?: AbortSignal): Promise<RetentionReport> {
    const { dryRun, policy: given } = check(retainOptions, options, 'options')
    const policy = retentionPolicy(given, this.#defaults)
    const { sql, identity } = this.#context
    const { tenant } = identity
    const json = JSON.stringify(policy)
    const report = dryRun
      ? { id: null, policy, startedBy: null, startedAt: new Date() }
      : ((await sql.query<RetentionReport>(identity, BEGIN_REPORT, [tenant, uuidv7(), json])).rows[0] as RetentionReport)
    const totals = { kept: 0, archived: 0, deleted: 0 }
    const counts: Record<string, number> = {}
    for (let last: string | null = null; ; ) {
      const values = [tenant, last, BATCH, json, null]
      const { rows } = await sql.query<Decided>(identity, dryRun ? DECIDE_AND_COUNT : DECIDE_AND_DO, dryRun ? values : [...values, report.id], { pool: 'background' })
      const batch = rows[0] as Decided
      for (const { decision, rule, count } of batch.counts) {
        totals[decision] += count
        counts[rule] = (counts[rule] ?? 0) + count
      }
      last = batch.last
      if (batch.seen < BATCH) break
      if (signal?.aborted === true) return { ...report, ...totals, counts, completedAt: null }
    }
    if (dryRun) return { ...report, ...totals, counts, completedAt: new Date() }
    const { rows } = await sql.query<RetentionReport>(identity, COMPLETE_REPORT, [tenant, report.id, JSON.stringify(counts), totals.kept, totals.archived, totals.deleted])
    await sql.query(identity, PRUNE_REPORTS, [tenant, KEPT_REPORTS])
    return rows[0] ?? { ...report, ...totals, counts, completedAt: new Date() }
  }

  /** What a pass would do now to each memory, those that it would keep too, with the figures. INVALID_CURSOR. */
  async preview(options: PageOptions & { readonly policy?: GivenRetentionPolicy } = {}): Promise<Page<RetentionDecision>> {
    const limit = pageLimit(options)
    const after = decodeCursor('memory:preview', options.cursor, 1)?.[0] ?? null
    const json = JSON.stringify(retentionPolicy(options.policy, this.#defaults))
    const { sql, identity } = this.#context
    const { rows } = await sql.query<RetentionDecision>(identity, DECIDE, [identity.tenant, after, limit + 1, json, null])
    return toPage('memory:preview', rows, limit, ({ memoryId }) => [memoryId])
  }

  /** The same for one memory. NOT_FOUND. */
  async explain(memory: string, options: { readonly policy?: GivenRetentionPolicy } = {}): Promise<RetentionDecision> {
    const json = JSON.stringify(retentionPolicy(options.policy, this.#defaults))
    const session = oneStatement(this.#context)
    const { id } = await requireMemory(this.#context, session, memory)
    const { rows } = await session.query<RetentionDecision>(DECIDE, [this.#context.identity.tenant, null, 1, json, id])
    if (rows[0] === undefined) throw memoryNotFound(memory)
    return rows[0]
  }

  /** Newest first. INVALID_CURSOR. */
  async reports(options: PageOptions = {}): Promise<Page<RetentionReport>> {
    const limit = pageLimit(options)
    const before = decodeCursor('memory:reports', options.cursor, 1)?.[0] ?? null
    const { sql, identity } = this.#context
    const { rows } = await sql.query<RetentionReport>(identity, LIST_REPORTS, [identity.tenant, null, before, limit + 1])
    return toPage('memory:reports', rows, limit, ({ id }) => [id])
  }

  /** What a pass archived and deleted, and why. NOT_FOUND, INVALID_CURSOR. */
  async decisions(reportId: string, options: PageOptions = {}): Promise<Page<RetentionDecision>> {
    const id = checkUuid(reportId, 'reportId')
    const limit = pageLimit(options)
    const after = decodeCursor('memory:decisions', options.cursor, 1)?.[0] ?? null
    const { sql, identity } = this.#context
    const report = await sql.query(identity, LIST_REPORTS, [identity.tenant, id, null, 1])
    if (report.rows.length === 0) throw new CairnError('NOT_FOUND', `retention report: no report ${id} in this tenant. memory.retention.reports lists those that are kept.`, { details: { reportId: id } })
    const { rows } = await sql.query<RetentionDecision>(identity, LIST_DECISIONS, [identity.tenant, id, after, limit + 1])
    return toPage('memory:decisions', rows, limit, ({ memoryId }) => [memoryId])
  }
}
