import * as z from 'zod'
import type { DomainContext } from '../domain-context.ts'
import { agentNotFound, resolveAgentId } from './agent-ids.ts'
import { PERFORMANCE_SUMMARY, RECORD_INTERACTION, RECORD_TASK } from './agents-queries.ts'
import { check } from '../../checks/index.ts'
import type { PerformanceSummary } from './types.ts'

export interface TaskOutcome {
  /** Null for a task that neither succeeded nor failed, such as a cancelled one. */
  readonly succeeded: boolean | null
  readonly durationMs: number
  /** @default 0 */
  readonly tokens?: number
}

export interface Interaction {
  readonly succeeded: boolean
  readonly responseTimeMs: number
}

const ms = z.number().min(0).max(1e15)
const taskSchema = z.strictObject({ succeeded: z.boolean().nullable(), durationMs: ms, tokens: z.number().int().min(0).max(1e15).optional() })
const interactionSchema = z.strictObject({ succeeded: z.boolean(), responseTimeMs: ms })

/** Counters of tasks and interactions. Each record is one atomic statement: concurrent ones add up. */
export class AgentPerformance {
  readonly #context: DomainContext

  constructor(context: DomainContext) {
    this.#context = context
  }

  /** AGENT_NOT_FOUND. */
  async recordTask(agentIdOrKey: string, outcome: TaskOutcome): Promise<void> {
    const { succeeded, durationMs, tokens = 0 } = check(taskSchema, outcome, 'outcome')
    await this.#record(RECORD_TASK, agentIdOrKey, [succeeded, durationMs / 1000, tokens])
  }

  /** AGENT_NOT_FOUND. */
  async recordInteraction(agentIdOrKey: string, interaction: Interaction): Promise<void> {
    const { succeeded, responseTimeMs } = check(interactionSchema, interaction, 'interaction')
    await this.#record(RECORD_INTERACTION, agentIdOrKey, [succeeded, responseTimeMs / 1000])
  }

  /** S0 §12. AGENT_NOT_FOUND. */
  async getSummary(agentIdOrKey: string): Promise<PerformanceSummary> {
    const agentId = await resolveAgentId(this.#context, agentIdOrKey)
    const { identity, sql } = this.#context
    const { rows } = await sql.query<PerformanceSummary>(identity, PERFORMANCE_SUMMARY, [identity.tenant, agentId])
    if (rows[0] === undefined) throw agentNotFound(this.#context, agentIdOrKey)
    return rows[0]
  }

  async #record(statement: string, agentIdOrKey: string, values: readonly unknown[]): Promise<void> {
    const agentId = await resolveAgentId(this.#context, agentIdOrKey)
    const { identity, sql } = this.#context
    const { rows } = await sql.query<{ found: boolean }>(identity, statement, [identity.tenant, agentId, ...values])
    if (rows[0]?.found !== true) throw agentNotFound(this.#context, agentIdOrKey)
  }
}
