import { uuidv7 } from '../../ids/index.ts'
import * as z from 'zod'
import { CairnError } from '../../errors/index.ts'
import { decodeCursor, pageLimit, toPage, type Page, type PageOptions } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { requireAgent, resolveAgentId } from './agent-ids.ts'
import { retiredOrAbsent } from './agent-status.ts'
import { check, checkUuid, jsonObject, jsonText, text } from '../../checks/index.ts'
import {
  INSTANCE_BY_ID,
  INSTANCE_HEARTBEAT,
  LIST_INSTANCES,
  MARK_CRASHED,
  RESTART_INSTANCE,
  SET_INSTANCE_STATUS,
  STALE_INSTANCES,
  START_INSTANCE,
} from './relations-queries.ts'
import type { AgentInstance, JsonObject } from './types.ts'
import { instanceStatus, type InstanceStatus } from './words.ts'

const spanMs = z.number().positive().max(1e15)

export interface StartInstance {
  /** Id or key. */
  readonly agentId: string
  readonly hostName: string
  readonly processId?: string
  readonly port?: number
  readonly state?: JsonObject
  readonly metrics?: JsonObject
  readonly resources?: JsonObject
}

/** What is given replaces what the instance told before. */
export type InstanceReport = Pick<StartInstance, 'state' | 'metrics' | 'resources'>

const processFields = {
  processId: z.union([text(1, 255), z.number().int().transform(String)]).optional(),
  port: z.number().int().min(1).max(65_535).optional(),
}
const report = { state: jsonObject.optional(), metrics: jsonObject.optional(), resources: jsonObject.optional() }
const startSchema = z.strictObject({ agentId: text(1, 255), hostName: text(1, 255), ...processFields, ...report })
const restartSchema = z.strictObject({ hostName: text(1, 255).optional(), ...processFields })
const reportSchema = z.strictObject(report)

/** From which statuses each may be reached by `setStatus`; a new start goes through `restart`. */
const REACHED_FROM: Readonly<Record<InstanceStatus, readonly InstanceStatus[]>> = {
  starting: ['starting'],
  running: ['starting', 'running'],
  stopping: ['starting', 'running', 'stopping'],
  stopped: ['starting', 'running', 'stopping', 'stopped', 'error', 'crashed'],
  error: ['starting', 'running', 'stopping', 'error'],
  crashed: ['starting', 'running', 'stopping', 'error', 'crashed'],
}

/** The processes that agents run as. Each agent may have many. */
export class AgentInstances {
  readonly #context: DomainContext

  constructor(context: DomainContext) {
    this.#context = context
  }

  /** Status `starting`; the first heartbeat makes it `running`. AGENT_NOT_FOUND; INVALID_TRANSITION for a retired agent. */
  async start(input: StartInstance): Promise<AgentInstance> {
    const checked = check(startSchema, input)
    const agentId = await resolveAgentId(this.#context, checked.agentId)
    const { state = {}, metrics = {}, resources = {} } = checked
    const json = [jsonText('state', state), jsonText('metrics', metrics), jsonText('resources', resources)]
    const [instance] = await this.#rows(START_INSTANCE, [agentId, uuidv7(), checked.processId ?? null, checked.hostName, checked.port ?? null, ...json])
    if (instance === undefined) throw await retiredOrAbsent(this.#context, agentId)
    return instance
  }

  /** NOT_FOUND when the tenant has no such instance. */
  async get(instanceId: string): Promise<AgentInstance> {
    const [instance] = await this.#rows(INSTANCE_BY_ID, [checkUuid(instanceId, 'instanceId')])
    if (instance === undefined) throw new CairnError('NOT_FOUND', `No instance ${instanceId} exists.`, { details: { instanceId } })
    return instance
  }

  /**
   * Sign of life; also moves the agent's `lastHeartbeat`. NOT_FOUND; INVALID_TRANSITION when the instance has stopped
   * or was declared crashed: the process should end, or call `restart`.
   */
  async heartbeat(instanceId: string, told: InstanceReport = {}): Promise<AgentInstance> {
    const checked = check(reportSchema, told, 'report')
    const json = (['metrics', 'resources', 'state'] as const).map((field) => (checked[field] === undefined ? null : jsonText(field, checked[field])))
    const [instance] = await this.#rows(INSTANCE_HEARTBEAT, [checkUuid(instanceId, 'instanceId'), ...json])
    return instance ?? this.#refuse(instanceId, 'running', ['starting'])
  }

  /** INVALID_TRANSITION with `details.allowed` when it may not follow; `restart` starts a stopped instance again. */
  async setStatus(instanceId: string, status: InstanceStatus): Promise<AgentInstance> {
    const next = instanceStatus(status)
    const [instance] = await this.#rows(SET_INSTANCE_STATUS, [checkUuid(instanceId, 'instanceId'), next, REACHED_FROM[next]])
    return instance ?? this.#refuse(instanceId, next)
  }

  /** A new life from any status: start time now, no heartbeat yet, one more restart. NOT_FOUND; INVALID_TRANSITION for a retired agent. */
  async restart(instanceId: string, process: Partial<Pick<StartInstance, 'hostName' | 'processId' | 'port'>> = {}): Promise<AgentInstance> {
    const checked = check(restartSchema, process, 'process')
    const values = [checkUuid(instanceId, 'instanceId'), checked.processId ?? null, checked.hostName ?? null, checked.port ?? null]
    const [instance] = await this.#rows(RESTART_INSTANCE, values)
    if (instance !== undefined) return instance
    throw await retiredOrAbsent(this.#context, (await this.get(instanceId)).agentId)
  }

  /** Status `stopped`; its lifetime is added to the agent's uptime. Again: no change. */
  stop(instanceId: string): Promise<AgentInstance> {
    return this.setStatus(instanceId, 'stopped')
  }

  /** In the order of their start. AGENT_NOT_FOUND. */
  async list(agentIdOrKey: string, options: PageOptions & { readonly status?: InstanceStatus } = {}): Promise<Page<AgentInstance>> {
    const agentId = await resolveAgentId(this.#context, agentIdOrKey)
    const limit = pageLimit(options)
    const after = decodeCursor('agent-instances', options.cursor, 1)?.[0] ?? null
    const status = options.status === undefined ? null : instanceStatus(options.status)
    const rows = await this.#rows(LIST_INSTANCES, [agentId, status, after, limit + 1])
    if (rows.length === 0) await requireAgent(this.#context, agentId)
    return toPage('agent-instances', rows, limit, (instance) => [instance.id])
  }

  /** Living instances of the tenant without a sign of life for longer than this. */
  async stale(options: PageOptions & { readonly olderThanMs: number }): Promise<Page<AgentInstance>> {
    const limit = pageLimit(options)
    const after = decodeCursor('stale-instances', options.cursor, 1)?.[0] ?? null
    const rows = await this.#rows(STALE_INSTANCES, [check(spanMs, options.olderThanMs, 'olderThanMs'), after, limit + 1])
    return toPage('stale-instances', rows, limit, (instance) => [instance.id])
  }

  /** Declares stale instances crashed, at most `limit` a call, and writes `heartbeat_lost`; returns those it changed. */
  async markCrashed(options: { readonly olderThanMs: number; readonly limit?: number }): Promise<AgentInstance[]> {
    const limit = pageLimit(options.limit === undefined ? {} : { limit: options.limit })
    const rows = await this.#rows(MARK_CRASHED, [check(spanMs, options.olderThanMs, 'olderThanMs'), limit])
    return rows.map((row) => {
      const { told: _told, ...instance } = row as AgentInstance & { told: unknown }
      return instance
    })
  }

  async #rows(statement: string, values: readonly unknown[]): Promise<AgentInstance[]> {
    const { identity, sql } = this.#context
    return (await sql.query<AgentInstance>(identity, statement, [identity.tenant, ...values])).rows
  }

  async #refuse(instanceId: string, next: InstanceStatus, always?: readonly InstanceStatus[]): Promise<never> {
    const { status } = await this.get(instanceId)
    const reachable = (Object.keys(REACHED_FROM) as InstanceStatus[]).filter((each) => each !== status && REACHED_FROM[each].includes(status))
    const allowed = always ?? reachable
    throw new CairnError('INVALID_TRANSITION', `Instance ${instanceId} is ${status} and may not become ${next}. Call instances.restart for a new life.`, {
      details: { instanceId, from: status, to: next, allowed },
    })
  }
}
