import { uuidv7 } from '../../ids/index.ts'
import { jsonText } from '../../checks/index.ts'
import type { SqlResult, SqlSession } from '../../engines/sql/index.ts'
import type { DomainContext } from '../domain-context.ts'
import type { ResilienceService } from '../resilience/index.ts'
import { tally } from './consensus.ts'
import type { CountTokens } from './count-tokens.ts'
import { DebateCalls } from './debate-calls.ts'
import type { DebateHold } from './debate-hold.ts'
import { DebateTurns } from './debate-turns.ts'
import { DebateVoting } from './debate-voting.ts'
import { ARGUMENTS_SINCE, BEGIN_ROUND, END_ROUND, INSERT_TURNS, INSERT_VOTES, LIST_ROUNDS, LIST_TURNS, LOOK, MARK_VOTING, SKIP_TURNS } from './debates-queries.ts'
import { type TurnRow, inOrder, spent, stands } from './rows.ts'
import { speakersOf } from './speaking-order.ts'
import type { Debate, DebateArgument, DebateParticipant, DebateParticipantCalls, DebateRound, DebateRoundSummary, RunDebateOptions } from './types.ts'
import type { DebateEndReason } from './words.ts'

/** The debate as it is at this moment. */
export interface DebateNow extends Debate {
  /** Since the start, without pauses. */
  readonly elapsedMs: number
}

export interface DebateStage {
  readonly context: DomainContext
  readonly resilience: ResilienceService
  readonly hold: DebateHold
  readonly debate: Debate
  readonly participants: readonly DebateParticipant[]
  /** By the participant's number; who is not here is awaited. */
  readonly calls: ReadonlyMap<number, DebateParticipantCalls>
  readonly countTokens: CountTokens
  readonly options: { readonly pollMs: number; readonly whenWaiting: 'wait' | 'return'; readonly conclude: RunDebateOptions['conclude'] }
}

export type Move = 'moved' | 'waiting'

/**
 * One process running one debate. Each step is found from what is stored, done, and stored under the fence, so that whoever takes over goes on with
 * the same step: whoever has spoken in a turn is not called for it again.
 */
export class DebateRun {
  readonly #stage: DebateStage
  readonly #turns: DebateTurns
  readonly #voting: DebateVoting
  #arguments: DebateArgument[] = []
  #lastSeq = 0

  constructor(stage: DebateStage) {
    this.#stage = stage
    const calls = new DebateCalls(stage.resilience, stage.hold, stage.debate.configuration)
    this.#turns = new DebateTurns(stage, calls)
    this.#voting = new DebateVoting(stage, calls)
  }

  /** Resolves when the debate has ended, or waits and the run is to return then. */
  async run(): Promise<void> {
    const { hold, options } = this.#stage
    for (;;) {
      const now = (await hold.write<DebateNow>(LOOK)).rows[0] as DebateNow
      if (now.status !== 'active' && now.status !== 'voting') return
      const move = now.pausedAt === null ? await this.#step(now) : 'waiting'
      if (move === 'ended') return
      if (move === 'moved') {
        hold.signal.throwIfAborted()
        continue
      }
      if (options.whenWaiting === 'return') return
      await hold.pause(options.pollMs)
    }
  }

  async #step(now: DebateNow): Promise<Move | 'ended'> {
    await this.#read()
    if (now.status === 'voting') return this.#voting.step(now, this.#arguments)
    const { hold, debate } = this.#stage
    const { rows: rounds } = await this.#query<DebateRound>(LIST_ROUNDS)
    const last = rounds.at(-1)
    if (last === undefined || last.endedAt !== null) {
      const reason = this.#endReason(now, last)
      if (reason === undefined) await this.#begin((last?.number ?? 0) + 1)
      else {
        await hold.transaction(async (session) => {
          await hold.write(MARK_VOTING, [reason], session)
          await session.query(INSERT_VOTES, [hold.identity.tenant, debate.id])
        })
      }
      return 'moved'
    }
    const { rows: turns } = await this.#query<TurnRow>(LIST_TURNS, [last.number])
    const open = turns.filter(({ status }) => status !== 'done' && status !== 'skipped')
    if (open.length === 0 || spent(debate.configuration, now) !== undefined) {
      await this.#end(last.number)
      return 'moved'
    }
    return this.#turns.speak(now, last.number, debate.mode === 'free' ? open : open.slice(0, 1), this.#arguments)
  }

  #endReason(now: DebateNow, last: DebateRound | undefined): DebateEndReason | undefined {
    const { configuration } = this.#stage.debate
    const budget = spent(configuration, now)
    if (budget !== undefined || last === undefined) return budget
    if (last.number >= configuration.rounds) return 'rounds'
    if (last.summary?.arguments === 0) return 'silence'
    if (configuration.stopAtConsensus !== null && (last.summary?.consensus ?? 0) >= configuration.stopAtConsensus) return 'consensus'
    return undefined
  }

  async #begin(round: number): Promise<void> {
    const { hold, debate, participants } = this.#stage
    const { tenant } = hold.identity
    await hold.transaction(async (session) => {
      await session.query(BEGIN_ROUND, [tenant, debate.id, uuidv7(), round])
      await session.query(INSERT_TURNS, [tenant, debate.id, round, speakersOf(debate.mode, participants, round)])
    })
  }

  async #end(round: number): Promise<void> {
    const { hold, participants } = this.#stage
    await hold.transaction(async (session) => {
      await hold.note(SKIP_TURNS, [round, null], session)
      // Those that were submitted up to this moment count: the transaction keeps others out.
      await this.#read(session)
      const { consensus, shares } = tally(stands(participants, this.#arguments))
      const said = this.#arguments.filter((argument) => argument.round === round)
      const summary: DebateRoundSummary = { arguments: said.length, tokens: said.reduce((sum, { tokens }) => sum + tokens, 0), consensus, shares: Object.fromEntries(shares.map(({ position, share }) => [position, share])) }
      await hold.write(END_ROUND, [round, jsonText('summary', summary)], session)
    })
  }

  /** Takes in what was stored since the last time. */
  async #read(session?: SqlSession): Promise<void> {
    const { rows } = await this.#query<DebateArgument>(ARGUMENTS_SINCE, [this.#lastSeq], session)
    if (rows.length === 0) return
    this.#lastSeq = rows.at(-1)?.seq ?? this.#lastSeq
    this.#arguments = inOrder([...this.#arguments, ...rows])
  }

  #query<Row>(text: string, values: readonly unknown[] = [], session?: SqlSession): Promise<SqlResult<Row>> {
    const { context, hold, debate } = this.#stage
    const all = [hold.identity.tenant, debate.id, ...values]
    return session === undefined ? context.sql.query<Row>(hold.identity, text, all) : session.query<Row>(text, all)
  }
}
