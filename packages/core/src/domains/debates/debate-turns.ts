import { uuidv7 } from '../../ids/index.ts'
import { invalid, jsonText } from '../../checks/index.ts'
import { CairnError } from '../../errors/index.ts'
import type { DebateCalls } from './debate-calls.ts'
import type { DebateNow, DebateStage, Move } from './debate-run.ts'
import { CLOSE_TURN, FAIL_TURN, INSERT_ARGUMENT, MARK_FAILED, OPEN_TURN, SKIP_TURNS } from './debates-queries.ts'
import { checkStatement } from './input.ts'
import type { TurnRow } from './rows.ts'
import { answered } from './speaking-order.ts'
import type { DebateArgument, DebateParticipant, DebateParticipantCalls, DebateStatement } from './types.ts'

export const MAX_EVIDENCE_BYTES = 262_144

/** An argument as it is stored. */
interface Said extends DebateStatement {
  readonly tokens: number
  readonly evidenceText: string
}

/** Turns of a round: calls those who have functions, waits for the others. */
export class DebateTurns {
  readonly #stage: DebateStage
  readonly #calls: DebateCalls

  constructor(stage: DebateStage, calls: DebateCalls) {
    this.#stage = stage
    this.#calls = calls
  }

  /** Takes these turns, at once; `all` is what was said so far. */
  async speak(now: DebateNow, round: number, turns: readonly TurnRow[], all: readonly DebateArgument[]): Promise<Move> {
    const { calls, participants } = this.#stage
    const awaited = turns.filter(({ participant }) => !calls.has(participant))
    const passedOver = await Promise.all(awaited.map((turn) => this.#await(round, turn)))
    const called = turns.flatMap((turn) => {
      const call = calls.get(turn.participant)
      return call === undefined ? [] : [this.#call(now, round, turn, participants[turn.participant - 1] as DebateParticipant, call, all)]
    })
    // None is left unheard when another one fails.
    const outcomes = await Promise.allSettled(called)
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    const fatal = outcomes.find((outcome) => outcome.status === 'fulfilled' && outcome.value !== undefined)
    if (fatal?.status === 'fulfilled') await this.#stage.hold.write(MARK_FAILED, [fatal.value])
    return called.length > 0 || passedOver.includes(true) ? 'moved' : 'waiting'
  }

  /** True when it was waited for long enough. */
  async #await(round: number, { turn, status, openMs }: TurnRow): Promise<boolean> {
    const { hold, debate } = this.#stage
    const { answerTimeoutMs } = debate.configuration
    if (status !== 'awaiting') await hold.note(OPEN_TURN, [round, turn, 'awaiting', 0])
    else if (answerTimeoutMs !== null && openMs !== null && openMs >= answerTimeoutMs) {
      await hold.note(SKIP_TURNS, [round, turn])
      return true
    }
    return false
  }

  /** Why the debate fails, if it does. */
  async #call(now: DebateNow, round: number, row: TurnRow, participant: DebateParticipant, who: DebateParticipantCalls, all: readonly DebateArgument[]): Promise<string | undefined> {
    const { hold, debate, participants } = this.#stage
    const { configuration, mode } = debate
    const { turn } = row
    // A submission that came in the meantime is heard instead.
    if ((await hold.note(OPEN_TURN, [round, turn, 'calling', 1])).rowCount === 0) return undefined
    const heard = mode === 'free' ? all.filter((argument) => argument.round < round) : all
    const replyTo = answered(mode, participants, participant, round, heard)
    const timeLeftMs = configuration.timeBudgetMs === null ? null : configuration.timeBudgetMs - now.elapsedMs
    const result = await this.#calls.call(who, { timeLeftMs }, async (signal) => {
      const given = await who.speak({
        debate: now, participant, round, turn, replyTo, arguments: heard, timeLeftMs, signal, callKey: `${debate.id}:r${round}:t${turn}`, attempt: row.attempts + 1, uncertain: row.attempts > row.failures,
        tokensLeft: configuration.tokenBudget === null ? null : Math.max(0, configuration.tokenBudget - now.totalTokens),
      })
      return this.#checked(given, heard)
    })
    if (result.kind === 'answer') await this.#store(round, turn, participant, result.answer, replyTo)
    else if (result.kind === 'cut') await hold.note(SKIP_TURNS, [round, turn])
    else if (await this.#calls.failed(FAIL_TURN, [round, turn], result)) return this.#giveUp(round, turn, participant, result.error)
    return undefined
  }

  #checked(given: unknown, heard: readonly DebateArgument[]): Said | null {
    const statement = checkStatement(given)
    if (statement === null) return null
    if (statement.replyTo !== undefined && !heard.some(({ id }) => id === statement.replyTo)) throw invalid('statement.replyTo', 'no argument that the participant could know has this id')
    return { ...statement, evidenceText: jsonText('statement.evidence', statement.evidence ?? [], MAX_EVIDENCE_BYTES), tokens: statement.tokens ?? this.#stage.countTokens(statement.content) }
  }

  /** The turn and its argument become final together. */
  async #store(round: number, turn: number, participant: DebateParticipant, said: Said | null, replyTo: DebateArgument | null): Promise<void> {
    const { hold, debate } = this.#stage
    const of = [hold.identity.tenant, debate.id]
    await hold.transaction(async (session) => {
      const { rowCount } = await session.query(CLOSE_TURN, [...of, round, turn, 'calling', said === null ? 'skipped' : 'done'])
      if (rowCount === 0) throw new CairnError('CONSISTENCY_VIOLATION', `Turn ${turn} of round ${round} of the debate ${debate.id} was taken while its participant spoke.`)
      if (said === null) return
      const { content, position = participant.position, confidence = null, evidenceText, tokens } = said
      await session.query(INSERT_ARGUMENT, [...of, uuidv7(), round, turn, participant.number, position, content, confidence, evidenceText, said.replyTo ?? replyTo?.id ?? null, tokens, null])
    })
  }

  async #giveUp(round: number, turn: number, participant: DebateParticipant, error: string): Promise<string | undefined> {
    const { hold, debate, context } = this.#stage
    context.log.warn({ debate: debate.id, tenant: hold.identity.tenant, round, participant: participant.name, error }, 'a participant of a debate could not be heard')
    if (debate.configuration.onFailure === 'fail') return `${participant.name}, round ${round}: ${error}`
    await hold.note(SKIP_TURNS, [round, turn])
    return undefined
  }
}
