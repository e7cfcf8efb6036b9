import { uuidv7 } from '../../ids/index.ts'
import { check, invalid } from '../../checks/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { type Page, type PageOptions, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import {
  GET_COMPATIBILITY, GET_PARTNERSHIP, INSERT_PARTNERSHIP, LIST_METRICS, LIST_PARTNERSHIPS, PARTNERS_OF, REMOVE_PARTNERSHIP, UPDATE_PARTNERSHIP,
} from './collaboration-queries.ts'
import { partnershipChangeSchema, partnershipFilterSchema, partnershipSchema, recommendSchema } from './input.ts'
import { type Room, ruleOf } from './room.ts'
import type { Compatibility, NewPartnership, PartnerProposal, Partnership, PartnershipChange, PartnershipFilter, PartnershipMetrics } from './types.ts'

/** Pairs of agents that work together. Wherever one is asked for, its id or its key may be given; so for agents. */
export class Partnerships {
  readonly #room: Room

  constructor(room: Room) {
    this.#room = room
  }

  /** AGENT_NOT_FOUND; DUPLICATE_KEY when the key is taken, or the pair has a partnership of this type. */
  async add(input: NewPartnership): Promise<Partnership> {
    const { key, primaryAgent, secondaryAgent, type, name = '', description = '', focus = [], autoTrigger = {}, maxConcurrent = 5, active = true } = check(partnershipSchema, input, 'partnership')
    const agents = await this.#room.agents([primaryAgent, secondaryAgent], 'agent')
    const [primary, secondary] = [agents.get(primaryAgent) as string, agents.get(secondaryAgent) as string]
    if (primary === secondary) throw invalid('secondaryAgent', 'an agent cannot be its own partner')
    const values = [this.#room.tenant, uuidv7(), key ?? null, primary, secondary, type, name, description, JSON.stringify(focus), JSON.stringify(autoTrigger), maxConcurrent, active]
    try {
      return (await this.#room.rows<Partnership>(INSERT_PARTNERSHIP, values))[0] as Partnership
    } catch (cause) {
      if (!isCairnError(cause, 'DUPLICATE_KEY')) throw cause
      const pair = ruleOf(cause) === 'partnership_pair_once'
      const message = pair ? `These two agents have a partnership of the type ${JSON.stringify(type)} already.` : `A partnership with the key ${JSON.stringify(key)} exists already.`
      throw new CairnError('DUPLICATE_KEY', `${message} Change that one with partnerships.update.`, { cause, details: { field: pair ? 'type' : 'key' } })
    }
  }

  /** NOT_FOUND. */
  async get(partnership: string): Promise<Partnership> {
    const found = await this.find(partnership)
    if (found === undefined) throw this.#room.notFound('partnership', partnership)
    return found
  }

  async find(partnership: string): Promise<Partnership | undefined> {
    return (await this.#room.rows<Partnership>(GET_PARTNERSHIP, this.#room.named(partnership, 'partnership')))[0]
  }

  /** Oldest first. AGENT_NOT_FOUND for the key of an agent that does not exist. */
  async list(filter: PartnershipFilter = {}): Promise<Page<Partnership>> {
    const { agent, type, active } = check(partnershipFilterSchema, filter, 'filter')
    const limit = pageLimit(filter)
    const after = decodeCursor('collaboration.partnerships', filter.cursor, 1)?.[0] ?? null
    const id = agent === undefined ? null : await this.#room.agent(agent, 'agent')
    const rows = await this.#room.rows<Partnership>(LIST_PARTNERSHIPS, [this.#room.tenant, after, id, type ?? null, active ?? null, limit + 1])
    return toPage('collaboration.partnerships', rows, limit, (each) => [each.id])
  }

  /** What is left out stays. NOT_FOUND. */
  async update(partnership: string, change: PartnershipChange): Promise<Partnership> {
    const named = this.#room.named(partnership, 'partnership')
    const { name, description, focus, autoTrigger, maxConcurrent, active } = check(partnershipChangeSchema, change, 'change')
    const json = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value))
    const rows = await this.#room.rows<Partnership>(UPDATE_PARTNERSHIP, [...named, name ?? null, description ?? null, json(focus), json(autoTrigger), maxConcurrent ?? null, active ?? null])
    if (rows[0] === undefined) throw this.#room.notFound('partnership', partnership)
    return rows[0]
  }

  /** False when there is none. Its requests stay, and what the two know of each other. */
  async remove(partnership: string): Promise<boolean> {
    const named = this.#room.named(partnership, 'partnership')
    return this.#room.write(async (session) => (await session.query(REMOVE_PARTNERSHIP, named)).rowCount > 0)
  }

  /** Of the active ones, oldest first. Source: S3 §16, active_partnerships_metrics. */
  async metrics(options: PageOptions = {}): Promise<Page<PartnershipMetrics>> {
    const limit = pageLimit(options)
    const after = decodeCursor('collaboration.metrics', options.cursor, 1)?.[0] ?? null
    const rows = await this.#room.rows<PartnershipMetrics>(LIST_METRICS, [this.#room.tenant, after, limit + 1])
    return toPage('collaboration.metrics', rows, limit, ({ partnershipId }) => [partnershipId])
  }

  /** How two agents worked together, in any partnership or none; 0.5 when they never did. AGENT_NOT_FOUND. */
  async compatibility(agent: string, other: string): Promise<Compatibility> {
    const ids = await this.#room.agents([agent, other], 'agent')
    const [a, b] = [ids.get(agent) as string, ids.get(other) as string].sort() as [string, string]
    if (a === b) throw invalid('other', 'is the same agent')
    const found = (await this.#room.rows<Compatibility>(GET_COMPATIBILITY, [this.#room.tenant, a, b]))[0]
    return found ?? { agentA: a, agentB: b, score: 0.5, collaborations: 0, successes: 0, ratings: 0, averageSatisfaction: null }
  }

  /**
   * With whom the agent should work, best first: 0.6 effectiveness + 0.4 compatibility, times 1.25 (at most 1) when the focus shares a topic; those that are
   * busy come last. What comes out of each collaboration moves the scores, and so the order. AGENT_NOT_FOUND.
   */
  async recommend(agent: string, options: { readonly topics?: readonly string[]; readonly type?: string; readonly limit?: number } = {}): Promise<PartnerProposal[]> {
    const { topics = [], type } = check(recommendSchema, options, 'options')
    const limit = pageLimit(options)
    const wanted = new Set(topics.map((topic) => topic.toLowerCase()))
    const id = await this.#room.agent(agent, 'agent')
    const rows = await this.#room.rows<PartnershipMetrics & { focus: string[] }>(PARTNERS_OF, [this.#room.tenant, id, type ?? null])
    return rows
      .map(({ partnershipId, primaryAgentId, secondaryAgentId, effectiveness, compatibility, focus, inProgress, maxConcurrent, total }): PartnerProposal => {
        const matchedFocus = focus.filter((topic) => wanted.has(topic.toLowerCase()))
        const known = compatibility ?? 0.5
        const score = Math.round(Math.min(1, (0.6 * effectiveness + 0.4 * known) * (matchedFocus.length > 0 ? 1.25 : 1)) * 10_000) / 10_000
        const free = Math.max(0, maxConcurrent - inProgress)
        const why = `effectiveness ${effectiveness} and compatibility ${known} after ${total} collaborations${matchedFocus.length > 0 ? `; shares ${matchedFocus.join(', ')}` : ''}${free === 0 ? '; busy' : ''}`
        return { agentId: primaryAgentId === id ? secondaryAgentId : primaryAgentId, partnershipId, score, effectiveness, compatibility: known, matchedFocus, free, why }
      })
      .sort((a, b) => Number(b.free > 0) - Number(a.free > 0) || b.score - a.score || (a.partnershipId < b.partnershipId ? -1 : 1))
      .slice(0, limit)
  }
}
