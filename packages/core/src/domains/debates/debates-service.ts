import { setTimeout as sleep } from 'node:timers/promises'
import { uuidv7 } from '../../ids/index.ts'
import { check, invalid, isUuid } from '../../checks/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { type Page, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import { agentNotFound, existingAgents, resolveAgentId } from '../agents/index.ts'
import type { DomainContext } from '../domain-context.ts'
import type { ResilienceService } from '../resilience/index.ts'
import { type CountTokens, tokenCounter } from './count-tokens.ts'
import { DebateHold } from './debate-hold.ts'
import { DebateRun } from './debate-run.ts'
import { onClose, wakeDebate } from './debate-wakes.ts'
import {
  AGENT_STATISTICS, CANCEL_DEBATE, CLAIM_DEBATE, GET_DEBATE, INSERT_DEBATE, INSERT_PARTICIPANTS, INSERT_REQUESTS, LEASE_LEFT, LIST_ARGUMENTS, LIST_AWAITED, LIST_DEBATES,
  LIST_PARTICIPANTS, LIST_REQUESTS, LIST_ROUNDS, LIST_VOTES, LOCK_DEBATE, MODE_STATISTICS, PAUSE_DEBATE, RESET_FAILURES, RESUME_DEBATE,
} from './debates-queries.ts'
import { argumentsSchema, callsSchema, checkDebate, idOrKey, listSchema, reasonSchema, runSchema } from './input.ts'
import { checkSeats } from './speaking-order.ts'
import { DebateSubmissions } from './submissions.ts'
import type {
  Debate, DebateAgentStatistics, DebateArgument, DebateAwaited, DebateModeStatistics, DebateParticipant, DebateParticipantCalls, DebateRound, DebateSpeak, DebateStatistics, DebateVote,
  DebateWithParticipants, ListDebateArgumentsOptions, ListDebatesOptions, NewDebate, RunDebateOptions, SubmitArgument, SubmitVote,
} from './types.ts'
import type { DebateStatus } from './words.ts'

const ENDED: ReadonlySet<DebateStatus> = new Set(['completed', 'failed', 'cancelled'])
const WAIT_STEP_MS = 100

/**
 * Debates of one tenant: participants that are functions or people argue in rounds and vote; durable in every step. Wherever a debate is asked for,
 * its id or its key may be given. Errors of all methods besides those named: INVALID_ARGUMENT with `details.field`, NOT_FOUND for a debate that
 * the tenant does not have, and those of the SQL engine. Source: S0 §4.
 */
export class DebatesService {
  readonly #context: DomainContext
  readonly #resilience: ResilienceService
  readonly #submissions: DebateSubmissions

  constructor(context: DomainContext, resilience: ResilienceService) {
    this.#context = context
    this.#resilience = resilience
    this.#submissions = new DebateSubmissions(context)
  }

  /** Stores a new debate; `run` begins it. DUPLICATE_KEY, AGENT_NOT_FOUND. */
  async create(input: NewDebate): Promise<DebateWithParticipants> {
    const { participants, ...checked } = checkDebate(input)
    checkSeats(checked.mode, participants.map(({ role, position = null }, index) => ({ number: index + 1, role, position })))
    const agents = await this.#agents(participants)
    const id = uuidv7()
    const { sql, identity } = this.#context
    const { tenant } = identity
    const key = checked.key ?? id
    await sql.transaction(identity, async (session) => {
      const values = [tenant, id, key, checked.topic, checked.problemStatement ?? null, checked.mode, JSON.stringify(checked.configuration), checked.algorithmId ?? null]
      if ((await session.query(INSERT_DEBATE, values)).rowCount === 0) {
        throw new CairnError('DUPLICATE_KEY', `A debate with the key ${JSON.stringify(key)} exists in tenant "${tenant}". Use another key, or debates.get to read that one.`, { details: { key } })
      }
      const columns = [participants.map(({ name }) => name), agents, participants.map(({ role }) => role), participants.map(({ position = null }) => position), participants.map(({ weight }) => weight)]
      await session.query(INSERT_PARTICIPANTS, [tenant, id, ...columns])
      if (checked.compressionRequestIds.length > 0) await session.query(INSERT_REQUESTS, [tenant, id, checked.compressionRequestIds])
    })
    return this.get(id)
  }

  /** With its participants, and for whom it waits. */
  async get(debate: string): Promise<DebateWithParticipants> {
    const found = await this.#find(debate)
    const [participants, requests, rounds, awaited] = await Promise.all([
      this.#of<DebateParticipant>(LIST_PARTICIPANTS, found.id), this.#of<{ id: string }>(LIST_REQUESTS, found.id), this.#of<DebateRound>(LIST_ROUNDS, found.id), this.#of<DebateAwaited>(LIST_AWAITED, found.id),
    ])
    return { ...found, participants, compressionRequestIds: requests.map(({ id }) => id), round: rounds.at(-1)?.number ?? 0, awaited }
  }

  /** Newest first. AGENT_NOT_FOUND, INVALID_CURSOR. */
  async list(options: ListDebatesOptions = {}): Promise<Page<Debate>> {
    const { status, mode, agent, algorithmId } = check(listSchema, options, 'options')
    const limit = pageLimit(options)
    const after = decodeCursor('debates', options.cursor, 2) ?? [null, null]
    const agentId = agent === undefined ? null : await resolveAgentId(this.#context, agent, 'agent')
    const { sql, identity } = this.#context
    const { rows } = await sql.query<Debate & { createdText: string }>(identity, LIST_DEBATES, [identity.tenant, status ?? null, mode ?? null, agentId, algorithmId ?? null, ...after, limit + 1])
    const page = toPage('debates', rows, limit, ({ createdText, id }) => [createdText, id])
    return { ...page, items: page.items.map(({ createdText: _, ...each }) => each) }
  }

  /** By round and turn. INVALID_CURSOR. */
  async arguments(debate: string, options: ListDebateArgumentsOptions = {}): Promise<Page<DebateArgument>> {
    const { round, participant } = check(argumentsSchema, options, 'options')
    const limit = pageLimit(options)
    const after = decodeCursor('debate-arguments', options.cursor, 2) ?? [null, null]
    const { id } = await this.#find(debate)
    const rows = await this.#of<DebateArgument>(LIST_ARGUMENTS, id, [round ?? null, participant ?? null, ...after, limit + 1])
    return toPage('debate-arguments', rows, limit, (argument) => [argument.round, argument.turn])
  }

  /** From the first on. */
  async rounds(debate: string): Promise<DebateRound[]> {
    return this.#of<DebateRound>(LIST_ROUNDS, (await this.#find(debate)).id)
  }

  /** In the order of the participants; empty before the voting. */
  async votes(debate: string): Promise<DebateVote[]> {
    return this.#of<DebateVote>(LIST_VOTES, (await this.#find(debate)).id)
  }

  /**
   * Runs the debate in this process until it has ended, and gives it back. `participants` are functions by name; who is not among them is awaited
   * (`submit`, `vote`). One process at a time runs a debate, by a lease. After a crash, run it again: it goes on where it was, and nobody is called
   * again for an argument that is stored. A debate that has ended, or failed and was not resumed, is given back as it is.
   *
   * Errors: DEBATE_BUSY with `details.retryAfterMs` when another process runs it, DEBATE_LEASE_LOST when another took it over, the reason of `signal`.
   */
  async run(debate: string, participants: Readonly<Record<string, DebateSpeak | DebateParticipantCalls>> = {}, options: RunDebateOptions = {}): Promise<DebateWithParticipants> {
    const { leaseMs, waitMs, pollMs, whenWaiting, signal } = check(runSchema, options, 'options')
    const found = await this.get(debate)
    const calls = callsOf(found, participants)
    const countTokens = await tokenCounter(options.countTokens)
    signal?.throwIfAborted()
    const hold = await this.#claim(found, leaseMs, waitMs, signal)
    if (hold === undefined) return this.get(found.id)
    await this.#hold(found, hold, calls, countTokens, { pollMs, whenWaiting, conclude: options.conclude }, signal)
    return this.get(found.id)
  }

  /**
   * What a participant says whose turn is awaited; null when it passes. TURN_NOT_OPEN when its turn has not come, was taken or passed over, or the debate
   * has ended; NOT_FOUND for who does not take part; SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE.
   */
  async submit(debate: string, argument: SubmitArgument): Promise<DebateArgument | null> {
    return this.#submissions.submit(await this.#find(debate), argument)
  }

  /** The vote of a participant that is awaited. The same again is the same; another is DUPLICATE_KEY. Else as `submit`. */
  async vote(debate: string, vote: SubmitVote): Promise<DebateVote> {
    return this.#submissions.vote(await this.#find(debate), vote)
  }

  /** No turn is begun until `resume`; calls under way are heard. INVALID_TRANSITION when it has ended. */
  pause(debate: string): Promise<DebateWithParticipants> {
    return this.#change(debate, (status) => !ENDED.has(status), ['initialized', 'active', 'voting'], [PAUSE_DEBATE])
  }

  /** Ends a pause; a debate that failed may be run again and goes on with the turn that failed. INVALID_TRANSITION when it is completed or cancelled. */
  resume(debate: string): Promise<DebateWithParticipants> {
    return this.#change(debate, (status) => !ENDED.has(status) || status === 'failed', ['initialized', 'active', 'voting', 'failed'], [RESET_FAILURES, RESUME_DEBATE])
  }

  /** Ends it without a vote; what was said stays. Calls under way in this process are aborted at once, those of others within a third of the lease. INVALID_TRANSITION when it has ended. */
  cancel(debate: string, options: { readonly reason?: string } = {}): Promise<DebateWithParticipants> {
    const reason = options.reason === undefined ? null : check(reasonSchema, options.reason, 'reason')
    return this.#change(debate, (status) => !ENDED.has(status) || status === 'failed', ['initialized', 'active', 'voting', 'failed'], [CANCEL_DEBATE], [reason])
  }

  /** By mode; and by agent, the most wins first. */
  async statistics(): Promise<DebateStatistics> {
    const { sql, identity } = this.#context
    const [modes, agents] = await Promise.all([sql.query<DebateModeStatistics>(identity, MODE_STATISTICS, [identity.tenant]), sql.query<DebateAgentStatistics>(identity, AGENT_STATISTICS, [identity.tenant])])
    return { modes: modes.rows, agents: agents.rows }
  }

  async #find(debate: string): Promise<Debate> {
    const checked = check(idOrKey, debate, 'debate')
    const { sql, identity } = this.#context
    const { rows } = await sql.query<Debate>(identity, GET_DEBATE, [identity.tenant, ...(isUuid(checked) ? [checked, null] : [null, checked])])
    if (rows[0] !== undefined) return rows[0]
    throw new CairnError('NOT_FOUND', `No debate with the id or key ${JSON.stringify(debate)} exists in tenant "${identity.tenant}". Check it and the tenant; debates.list shows what exists.`, { details: { debate, tenant: identity.tenant } })
  }

  async #of<Row>(text: string, debateId: string, values: readonly unknown[] = []): Promise<Row[]> {
    const { sql, identity } = this.#context
    return (await sql.query<Row>(identity, text, [identity.tenant, debateId, ...values])).rows
  }

  async #agents(participants: readonly { readonly agent?: string | undefined }[]): Promise<(string | null)[]> {
    const ids: (string | null)[] = []
    for (const { agent } of participants) ids.push(agent === undefined ? null : await resolveAgentId(this.#context, agent, 'participants.agent'))
    const existing = await existingAgents(this.#context, ids.filter((id) => id !== null))
    for (const id of ids) if (id !== null && !existing.has(id)) throw agentNotFound(this.#context, id)
    return ids
  }

  async #change(debate: string, allowed: (status: DebateStatus) => boolean, from: readonly DebateStatus[], statements: readonly string[], values: readonly unknown[] = []): Promise<DebateWithParticipants> {
    const { id } = await this.#find(debate)
    const { sql, identity } = this.#context
    await sql.transaction(identity, async (session) => {
      const { status, key } = (await session.query<Debate>(LOCK_DEBATE, [identity.tenant, id])).rows[0] as Debate
      if (!allowed(status)) throw new CairnError('INVALID_TRANSITION', `The debate ${key} is ${status}; this can be done while it is ${from.join(', ')}.`, { details: { debate: id, status, allowed: [] } })
      for (const statement of statements) await session.query(statement, [identity.tenant, id, ...values])
    })
    wakeDebate(sql, identity.tenant, id)
    return this.get(id)
  }

  /** Undefined when it has ended. */
  async #claim(debate: Debate, leaseMs: number, waitMs: number, signal: AbortSignal | undefined): Promise<DebateHold | undefined> {
    const { sql, identity } = this.#context
    const until = performance.now() + waitMs
    for (;;) {
      const claimedAt = performance.now()
      const { rows } = await sql.query<{ fence: number }>(identity, CLAIM_DEBATE, [identity.tenant, debate.id, uuidv7(), leaseMs])
      const fence = rows[0]?.fence
      if (fence !== undefined) return new DebateHold(sql, { identity, debateId: debate.id, fence, leaseMs, claimedAt })
      if (ENDED.has((await this.#find(debate.id)).status)) return undefined
      const retryAfterMs = (await this.#of<{ ms: number | null }>(LEASE_LEFT, debate.id))[0]?.ms ?? 0
      const left = until - performance.now()
      if (left <= 0) throw new CairnError('DEBATE_BUSY', `Another process runs the debate ${debate.key}, for ${retryAfterMs} ms at least. Leave it to that one, or give \`waitMs\`.`, { details: { debate: debate.id, retryAfterMs } })
      await sleep(Math.min(left, WAIT_STEP_MS), undefined, signal === undefined ? {} : { signal }).catch(() => signal?.throwIfAborted())
    }
  }

  async #hold(debate: DebateWithParticipants, hold: DebateHold, calls: ReadonlyMap<number, DebateParticipantCalls>, countTokens: CountTokens, options: { pollMs: number; whenWaiting: 'wait' | 'return'; conclude: RunDebateOptions['conclude'] }, signal: AbortSignal | undefined): Promise<void> {
    const run = new DebateRun({ context: this.#context, resilience: this.#resilience, hold, debate, participants: debate.participants, calls, countTokens, options })
    const abort = (): void => hold.stop(signal?.reason)
    signal?.addEventListener('abort', abort, { once: true })
    const done = Promise.withResolvers<void>()
    const unclose = onClose(this.#context.sql, () => {
      hold.stop(new CairnError('CLOSED', 'Cairn has been closed. The debate goes on when it is run again.'))
      return done.promise
    })
    try {
      if (signal?.aborted === true) abort()
      await run.run()
    } catch (error) {
      // It was ended by hand, which takes the hold away.
      if (isCairnError(error, 'DEBATE_LEASE_LOST') && ENDED.has((await this.#find(debate.id)).status)) return
      throw error
    } finally {
      signal?.removeEventListener('abort', abort)
      // What cannot be given back now is taken over when its lease has run out.
      await hold.release().catch((error: unknown) => this.#context.log.debug({ err: error, debate: debate.id }, 'could not give the debate back'))
      unclose()
      done.resolve()
    }
  }
}

function callsOf(debate: DebateWithParticipants, given: Readonly<Record<string, DebateSpeak | DebateParticipantCalls>>): Map<number, DebateParticipantCalls> {
  const numbers = new Map(debate.participants.map(({ name, number }) => [name, number]))
  if (typeof given !== 'object' || given === null) throw invalid('participants', 'must be an object of functions by the names of participants')
  return new Map(
    Object.entries(given).map(([name, one]) => {
      const number = numbers.get(name)
      if (number === undefined) throw invalid(`participants.${name}`, `does not take part in the debate ${debate.key}; its participants are ${[...numbers.keys()].map((each) => JSON.stringify(each)).join(', ')}`)
      const calls = typeof one === 'function' ? { speak: one } : one
      check(callsSchema, calls, `participants.${name}`)
      return [number, calls]
    }),
  )
}

