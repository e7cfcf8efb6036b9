import { uuidv7 } from '../../ids/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { type Page, type PageOptions, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import { notFound } from './channel-ids.ts'
import { DELETE_SUBSCRIPTION, LIST_SUBSCRIPTIONS, UPSERT_SUBSCRIPTION } from './channel-queries.ts'
import { check, uuidText } from '../../checks/index.ts'
import { filterConditions } from './filter.ts'
import { CANCEL_PENDING } from './inbox-queries.ts'
import { nameText, subscribeInput } from './input.ts'
import type { MessageRoom } from './room.ts'
import { patternRegex } from './subject.ts'
import type { MessageFilter, Subscribe, Subscription } from './types.ts'

/** Which agents get the messages of a channel. What was sent before is not delivered to a new subscription. */
export class Subscriptions {
  readonly #room: MessageRoom

  constructor(room: MessageRoom) {
    this.#room = room
  }

  /** Subscribing again to the same pattern replaces the filter. NOT_FOUND for the channel, AGENT_NOT_FOUND, INVALID_ARGUMENT. */
  async add(input: Subscribe): Promise<Subscription> {
    const { agent, channel, pattern, filter } = check(subscribeInput, input, 'subscription')
    const filters = JSON.stringify(filterConditions(filter as MessageFilter | undefined))
    const { sql, identity, tenant } = this.#room
    const agentId = await this.#room.agentId(agent)
    const values = [tenant, uuidv7(), agentId, channel, pattern ?? null, pattern === undefined ? null : patternRegex(pattern), filters]
    try {
      const { rows } = await sql.query<Omit<Subscription, 'channel'>>(identity, UPSERT_SUBSCRIPTION, values)
      if (rows[0] === undefined) throw notFound('channel', channel)
      return { ...rows[0], channel }
    } catch (error) {
      if (isCairnError(error, 'CONSTRAINT_VIOLATION') && error.details['constraint'] === 'subscriptions_agent_fkey') throw this.#room.noAgent(agent)
      throw error
    }
  }

  /** Ends it and cancels what waits for it; what is in the hands of a consumer may be finished. NOT_FOUND */
  async remove(id: string): Promise<{ cancelled: number }> {
    const subscription = check(uuidText, id, 'id')
    const { sql, identity, tenant } = this.#room
    return sql.transaction(identity, async (session) => {
      const { rows } = await session.query<{ agentId: string }>(DELETE_SUBSCRIPTION, [tenant, subscription])
      if (rows[0] === undefined) throw new CairnError('NOT_FOUND', `There is no subscription ${subscription}. List them with subscriptions.list.`, { details: { subscription } })
      const cancelled = await session.query(CANCEL_PENDING, [tenant, subscription, rows[0].agentId])
      return { cancelled: cancelled.rows.length }
    }, { attempts: 5 })
  }

  /** Oldest first. AGENT_NOT_FOUND for an unknown key, INVALID_CURSOR. */
  async list(options: PageOptions & { readonly agent?: string; readonly channel?: string } = {}): Promise<Page<Subscription>> {
    const limit = pageLimit(options)
    const after = decodeCursor('subscriptions', options.cursor, 1)?.[0] ?? null
    const agent = options.agent === undefined ? null : await this.#room.agentId(check(nameText, options.agent, 'agent'))
    const channel = options.channel === undefined ? null : check(nameText, options.channel, 'channel')
    const { sql, identity, tenant } = this.#room
    const { rows } = await sql.query<Subscription>(identity, LIST_SUBSCRIPTIONS, [tenant, agent, channel, after === null ? null : check(uuidText, after, 'cursor'), limit + 1])
    return toPage('subscriptions', rows, limit, ({ id }) => [id])
  }
}
