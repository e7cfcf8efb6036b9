import { uuidv7 } from '../../ids/index.ts'
import { check, invalid, jsonText } from '../../checks/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { type Page, type PageOptions, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import { TasksService } from '../tasks/index.ts'
import {
  ANSWER, COUNT_ANSWERS, EXPIRE_DUE, GET_REQUEST, GET_TARGET, INSERT_REQUEST, INSERT_TARGETS, LIST_ACTIVITY, LIST_REQUESTS, LOCK_REQUEST, PARTNERSHIP_OF_PAIR, RATE_REQUEST, RATE_TARGET,
  SET_CONTRIBUTION, SET_STATUS,
} from './collaboration-queries.ts'
import { type CheckedRequest, answerSchema, checkRequest, completeSchema, feedbackSchema, reasonSchema, requestFilterSchema } from './input.ts'
import type { Partnerships } from './partnerships.ts'
import { type Room, ruleOf } from './room.ts'
import type {
  AnswerCollaboration, CollaborationActivity, CollaborationFeedback, CollaborationRequest, CollaborationRequestFilter, CollaborationTarget, CompleteCollaboration, NewCollaborationRequest,
} from './types.ts'
import { COLLABORATION_TRANSITIONS, type CollaborationStatus } from './words.ts'

interface Locked {
  readonly id: string
  readonly status: CollaborationStatus
  readonly needed: number
  readonly overdue: boolean
}

/** A pass in one statement. */
const EXPIRED_AT_ONCE = 1000

/**
 * One agent asks others. Wherever a request is asked for, its id or its key may be given; so for agents. Which status may follow which is enforced by the
 * database: INVALID_TRANSITION with `details.allowed`. After its deadline a request can only expire or be cancelled.
 */
export class CollaborationRequests {
  readonly #room: Room
  readonly #partnerships: Partnerships

  constructor(room: Room, partnerships: Partnerships) {
    this.#room = room
    this.#partnerships = partnerships
  }

  /** AGENT_NOT_FOUND, TASK_NOT_FOUND, NOT_FOUND (partnership, session), DUPLICATE_KEY. */
  async open(input: NewCollaborationRequest): Promise<CollaborationRequest> {
    const checked = checkRequest(input)
    const { request, isNew } = await this.openOnce(checked, {})
    if (!isNew) throw new CairnError('DUPLICATE_KEY', `A collaboration request with the key ${JSON.stringify(checked.key)} exists already. Use another key, or read that one.`, { details: { field: 'key', key: checked.key } })
    return request
  }

  /** @internal Opens it, or gives the one that has its key. */
  async openOnce(checked: CheckedRequest, trigger: Readonly<Record<string, unknown>>): Promise<{ request: CollaborationRequest; isNew: boolean }> {
    const [context, metadata, explanation] = [jsonText('context', checked.context ?? {}), jsonText('metadata', checked.metadata ?? {}), jsonText('trigger', trigger)]
    const agents = await this.#room.agents([checked.requestingAgent, ...checked.targets], 'agent')
    const requester = agents.get(checked.requestingAgent) as string
    const targets = [...new Set(checked.targets.map((target) => agents.get(target) as string))]
    if (targets.includes(requester)) throw invalid('targets', 'the requesting agent cannot be a target')
    const needed = checked.needed === 'all' ? targets.length : checked.needed === 'any' ? 1 : checked.needed
    if (needed > targets.length) throw invalid('needed', `${needed} answers are more than the ${targets.length} targets can give`)
    const partnership = await this.#partnershipOf(checked, requester, targets)
    if (checked.taskId !== undefined) await new TasksService(this.#room.context).get(checked.taskId)
    const { key, type, userId, sessionId, taskId, priority, deadline, deadlineMs, expectedOutcome } = checked
    const [tenant, id] = [this.#room.tenant, uuidv7()]
    const values = [
      tenant, id, key ?? null, requester, type, partnership, userId ?? null, sessionId ?? null, taskId ?? null, context, priority, deadline ?? null, deadlineMs ?? null, expectedOutcome, needed, metadata, explanation,
    ]
    return this.#room.write(async (session) => {
      const { rowCount } = await session.query(INSERT_REQUEST, values).catch((error: unknown) => {
        throw ruleOf(error)?.includes('session_id') === true ? this.#room.notFound('chat session', sessionId as string) : error
      })
      if (rowCount > 0) await session.query(INSERT_TARGETS, [tenant, id, targets])
      return { request: (await read(session, rowCount > 0 ? [tenant, id, null] : [tenant, null, key as string])) as CollaborationRequest, isNew: rowCount > 0 }
    })
  }

  /** NOT_FOUND. */
  async get(request: string): Promise<CollaborationRequest> {
    const found = await this.find(request)
    if (found === undefined) throw this.#room.notFound('collaboration request', request)
    return found
  }

  async find(request: string): Promise<CollaborationRequest | undefined> {
    return (await this.#room.rows<CollaborationRequest>(GET_REQUEST, this.#room.named(request, 'request'))).map(requestOf)[0]
  }

  /** Newest first. AGENT_NOT_FOUND, NOT_FOUND (partnership). */
  async list(filter: CollaborationRequestFilter = {}): Promise<Page<CollaborationRequest>> {
    const { agent, status, userId, partnership } = check(requestFilterSchema, filter, 'filter')
    const limit = pageLimit(filter)
    const before = decodeCursor('collaboration.requests', filter.cursor, 1)?.[0] ?? null
    const agentId = agent === undefined ? null : await this.#room.agent(agent, 'agent')
    const partnershipId = partnership === undefined ? null : (await this.#partnerships.get(partnership)).id
    const rows = await this.#room.rows<CollaborationRequest>(LIST_REQUESTS, [this.#room.tenant, before, agentId, status ?? null, userId ?? null, partnershipId, limit + 1])
    return toPage('collaboration.requests', rows.map(requestOf), limit, ({ id }) => [id])
  }

  /** What is unfinished, and what ended within a week; newest first. Source: S3 §16, recent_collaboration_activity. */
  async activity(options: PageOptions = {}): Promise<Page<CollaborationActivity>> {
    const limit = pageLimit(options)
    const before = decodeCursor('collaboration.activity', options.cursor, 1)?.[0] ?? null
    const rows = await this.#room.rows<CollaborationActivity>(LIST_ACTIVITY, [this.#room.tenant, before, limit + 1])
    return toPage('collaboration.activity', rows, limit, ({ requestId }) => [requestId])
  }

  /**
   * The answer of one target, once; the same again changes nothing. The request is accepted when as many accepted as it needs, and declined when so many
   * cannot any more. Who accepts later, before it ends, takes part too. NOT_FOUND, AGENT_NOT_FOUND, INVALID_TRANSITION.
   */
  async answer(request: string, input: AnswerCollaboration): Promise<CollaborationRequest> {
    const { agent, accept, reason } = check(answerSchema, input, 'answer')
    const wanted = accept ? 'accepted' : 'declined'
    const agentId = await this.#room.agent(agent, 'agent')
    return this.#change(request, async (session, { id, status, needed, overdue }) => {
      const answer = await this.#answerOf(session, id, agentId, agent)
      if (answer === wanted) return
      if (answer !== 'pending') throw this.#refused(`Agent ${agent} has ${answer} request ${id} already and may not change that.`, status)
      if (COLLABORATION_TRANSITIONS[status].length === 0) throw this.#refused(`Request ${id} is ${status} and takes no answers.`, status)
      if (overdue) throw this.#refused(`The deadline of request ${id} has passed.`, status)
      await session.query(ANSWER, [this.#room.tenant, id, agentId, wanted, reason ?? null])
      const { accepted, possible } = (await session.query<{ accepted: number; possible: number }>(COUNT_ANSWERS, [this.#room.tenant, id])).rows[0] as { accepted: number; possible: number }
      const next = status !== 'pending' ? status : accepted >= needed ? 'accepted' : possible < needed ? 'declined' : 'pending'
      await this.#move(session, id, next)
    })
  }

  /** The work begins. INVALID_TRANSITION; COLLABORATION_LIMIT when the partnership has as many in progress as it may; NOT_FOUND. */
  start(request: string): Promise<CollaborationRequest> {
    return this.#change(request, (session, { id, status }) => this.#step(session, id, status, 'in_progress'))
  }

  /** It succeeded: partnership and compatibility are moved in the same transaction. INVALID_TRANSITION, NOT_FOUND, AGENT_NOT_FOUND, SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE. */
  async complete(request: string, input: CompleteCollaboration = {}): Promise<CollaborationRequest> {
    const { result, contributions = {} } = check(completeSchema, input, 'completion')
    const json = result === undefined ? null : jsonText('result', result)
    const given = Object.entries(contributions).map(([agent, value]) => [agent, jsonText(`contributions.${agent}`, value)] as const)
    const agents = await this.#room.agents(Object.keys(contributions), 'contributions')
    return this.#change(request, async (session, { id, status }) => {
      for (const [agent, contribution] of given) {
        const agentId = agents.get(agent) as string
        if ((await this.#answerOf(session, id, agentId, agent)) !== 'accepted') throw invalid(`contributions.${agent}`, 'is of an agent that has not accepted')
        await session.query(SET_CONTRIBUTION, [this.#room.tenant, id, agentId, contribution])
      }
      await this.#step(session, id, status, 'completed', json)
    })
  }

  /** It did not succeed, for this reason. INVALID_TRANSITION, NOT_FOUND. */
  async fail(request: string, reason: string): Promise<CollaborationRequest> {
    const why = check(reasonSchema, reason, 'reason')
    return this.#change(request, (session, { id, status }) => this.#step(session, id, status, 'failed', null, why))
  }

  /** Nobody wants it any more; says nothing of the partners. INVALID_TRANSITION, NOT_FOUND. */
  async cancel(request: string, reason?: string): Promise<CollaborationRequest> {
    const why = reason === undefined ? null : check(reasonSchema, reason, 'reason')
    return this.#change(request, (session, { id, status }) => this.#step(session, id, status, 'cancelled', null, why))
  }

  /**
   * Rates a collaboration that was completed or failed, or one of those who took part; again in place of before. The rating of the whole moves partnership and
   * compatibility. INVALID_TRANSITION when it has not ended so; NOT_FOUND, AGENT_NOT_FOUND.
   */
  async giveFeedback(request: string, feedback: CollaborationFeedback): Promise<CollaborationRequest> {
    const { rating, text, agent } = check(feedbackSchema, feedback, 'feedback')
    const agentId = agent === undefined ? undefined : await this.#room.agent(agent, 'agent')
    return this.#change(request, async (session, { id, status }) => {
      if (status !== 'completed' && status !== 'failed') throw this.#refused(`Request ${id} is ${status}: only what was completed or failed is rated.`, status)
      if (agent === undefined || agentId === undefined) return void (await session.query(RATE_REQUEST, [this.#room.tenant, id, rating, text ?? null]))
      await this.#answerOf(session, id, agentId, agent)
      const { rowCount } = await session.query(RATE_TARGET, [this.#room.tenant, id, agentId, rating, text ?? null])
      if (rowCount === 0) throw invalid('agent', `${agent} has not taken part`)
    })
  }

  /** Expires what is past its deadline, in this tenant; the upkeep does it every two seconds. Returns how many. */
  async expireDue(): Promise<number> {
    return this.#room.write(async (session) => (await session.query(EXPIRE_DUE, [this.#room.tenant, EXPIRED_AT_ONCE])).rowCount)
  }

  async #change(request: string, work: (session: SqlSession, locked: Locked) => Promise<void>): Promise<CollaborationRequest> {
    const named = this.#room.named(request, 'request')
    return this.#room.write(async (session) => {
      const locked = (await session.query<Locked>(LOCK_REQUEST, named)).rows[0]
      if (locked === undefined) throw this.#room.notFound('collaboration request', request)
      await work(session, locked)
      return (await read(session, [this.#room.tenant, locked.id, null])) as CollaborationRequest
    })
  }

  async #step(session: SqlSession, id: string, from: CollaborationStatus, to: CollaborationStatus, result: string | null = null, reason: string | null = null): Promise<void> {
    if (from === to) throw this.#refused(`Request ${id} is ${from} already.`, from)
    try {
      await this.#move(session, id, to, result, reason)
    } catch (error) {
      const rule = isCairnError(error) ? ruleOf(error) : undefined
      if (rule === 'collaboration_transition') throw this.#refused(`Request ${id} is ${from} and may not become ${to}.`, from, error)
      if (rule === 'collaboration_deadline') throw this.#refused(`The deadline of request ${id} has passed: it may not become ${to}.`, from, error)
      if (rule === 'partnership_concurrency') {
        throw new CairnError('COLLABORATION_LIMIT', `The partnership of request ${id} has as many collaborations in progress as it may. Wait until one ends, or raise maxConcurrent.`, { cause: error, details: { requestId: id } })
      }
      throw error
    }
  }

  async #move(session: SqlSession, id: string, to: CollaborationStatus, result: string | null = null, reason: string | null = null): Promise<void> {
    await session.query(SET_STATUS, [this.#room.tenant, id, to, result, reason])
  }

  /** NOT_FOUND when the request does not ask this agent. */
  async #answerOf(session: SqlSession, id: string, agentId: string, name: string): Promise<CollaborationTarget['answer']> {
    const found = (await session.query<{ answer: CollaborationTarget['answer'] }>(GET_TARGET, [this.#room.tenant, id, agentId])).rows[0]
    if (found === undefined) throw this.#room.notFound(`target of request ${id}`, name)
    return found.answer
  }

  async #partnershipOf({ partnership, type }: CheckedRequest, requester: string, targets: readonly string[]): Promise<string | null> {
    if (partnership !== undefined) {
      const { id, active, primaryAgentId, secondaryAgentId } = await this.#partnerships.get(partnership)
      if (!active) throw invalid('partnership', 'is not active')
      const partners = new Set([primaryAgentId, secondaryAgentId])
      if (!partners.has(requester) || !targets.some((target) => partners.has(target))) throw invalid('partnership', 'is not one of the requesting agent with a target')
      return id
    }
    if (targets.length !== 1) return null
    return (await this.#room.rows<{ id: string }>(PARTNERSHIP_OF_PAIR, [this.#room.tenant, requester, targets[0], type]))[0]?.id ?? null
  }

  #refused(message: string, status: CollaborationStatus, cause?: unknown): CairnError {
    const allowed = COLLABORATION_TRANSITIONS[status]
    return new CairnError('INVALID_TRANSITION', `${message} After ${status} may follow: ${allowed.length === 0 ? 'nothing' : allowed.join(', ')}.`, { cause, details: { status, allowed } })
  }
}

async function read(session: SqlSession, named: readonly (string | null)[]): Promise<CollaborationRequest | undefined> {
  return (await session.query<CollaborationRequest>(GET_REQUEST, named)).rows.map(requestOf)[0]
}

/** Times within JSON are texts. */
function requestOf(row: CollaborationRequest): CollaborationRequest {
  return { ...row, targets: row.targets.map((target) => ({ ...target, answeredAt: target.answeredAt === null ? null : new Date(target.answeredAt) })) }
}
