import type { AgentLagReport, AgentLifecycle as CoreAgentLifecycle, CacheStats as CoreCacheStats, FlushResult as CoreFlushResult, HydrateResult as CoreHydrateResult, MemoryStats as CoreMemoryStats, RepairResult as CoreRepairResult } from '@cairn/core'
import { LIFECYCLE_STATES } from '@cairn/core'
import { z } from '@hono/zod-openapi'
import type { Wire } from '../exact.ts'
import { Count, Id, Time } from './common.ts'

const ms = z.number().openapi({ description: 'Milliseconds.' })
export const AgentLifecycle = z
  .object({
    agentId: Id,
    state: z.enum(LIFECYCLE_STATES),
    since: Time,
    dirtyKeys: Count,
    lagMs: ms,
    maxLagMs: ms,
    violations: Count.openapi({ description: 'Times the agent was too far behind.' }),
    repairs: Count.openapi({ description: 'Repair jobs that were started because of that.' }),
    hydratedAt: Time.nullable(),
    flushedAt: Time.nullable(),
    touchedAt: Time.nullable(),
    lastError: z.string().nullable(),
  })
  .openapi('AgentLifecycle') satisfies z.ZodType<Wire<CoreAgentLifecycle>>
export const HydrateResult = z.object({ agentId: Id, keys: Count, hydrated: Count, present: Count, durationMs: ms }).openapi('HydrateResult') satisfies z.ZodType<Wire<CoreHydrateResult>>
export const AgentFlushResult = z.object({ agentId: Id, flushed: Count, durationMs: ms }).openapi('AgentFlushResult') satisfies z.ZodType<Wire<CoreFlushResult>>
export const RepairResult = z
  .object({
    agentId: Id,
    checked: Count,
    flushed: z.array(z.string()),
    hydrated: z.array(z.string()),
    damaged: z.array(z.object({ key: z.string(), tier: z.enum(['hot', 'sql']), repaired: z.boolean() })),
    consistent: z.boolean().openapi({ description: 'Both tiers agreed before the run.' }),
    durationMs: ms,
  })
  .openapi('RepairResult') satisfies z.ZodType<Wire<CoreRepairResult>>
export const AgentLag = z.object({ agentId: Id, unflushedKeys: Count, lagMs: ms, hotKeys: Count, sqlKeys: Count }).openapi('AgentLag') satisfies z.ZodType<Wire<AgentLagReport>>
export const MemoryStats = z
  .object({ kvEntries: Count.nullable(), sqlRows: Count, sqlRowsExact: z.boolean(), dirtyEntries: Count, meanFlushMs: ms, lagP95Ms: ms, violations: Count, repairs: Count })
  .openapi('MemoryStats') satisfies z.ZodType<Wire<CoreMemoryStats>>

export const CacheInvalidation = z
  .strictObject({
    keys: z.array(z.string()).max(10_000).optional(),
    tags: z.array(z.string()).max(10_000).optional(),
    all: z.boolean().optional().openapi({ description: 'Everything of the tenant.' }),
  })
  .openapi('CacheInvalidation')
export const CacheInvalidated = z.object({ shared: z.boolean().openapi({ description: 'False while the KV tier is away: other processes are told when it is back.' }) }).openapi('CacheInvalidated')
export const CacheStats = z
  .object({
    memoryHits: Count, kvHits: Count, misses: Count, negativeHits: Count, staleHits: Count, loads: Count, loadErrors: Count, coalesced: Count,
    leaseWaits: Count, fillsRefused: Count, invalidations: Count, evictions: Count, expirations: Count, entries: Count, bytes: Count, maxBytes: Count,
    kvAvailable: z.boolean(), pendingInvalidations: Count,
  })
  .openapi('CacheStats') satisfies z.ZodType<Wire<CoreCacheStats>>
