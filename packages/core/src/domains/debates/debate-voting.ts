import { check, text } from '../../checks/index.ts'
import { tally } from './consensus.ts'
import { conclusionText } from './conclusion.ts'
import type { DebateCalls } from './debate-calls.ts'
import type { DebateNow, DebateStage, Move } from './debate-run.ts'
import { CAST_VOTE, COMPLETE_DEBATE, FAIL_VOTE, LIST_ROUNDS, LIST_VOTES, OPEN_VOTE, OPEN_VOTES } from './debates-queries.ts'
import { checkBallot } from './input.ts'
import { type OpenTurn, spent, standOf } from './rows.ts'
import type { DebateArgument, DebateBallot, DebateParticipant, DebateVote } from './types.ts'

const conclusionSchema = text(1, 262_144)

/** The voting and what comes of it. */
export class DebateVoting {
  readonly #stage: DebateStage
  readonly #calls: DebateCalls

  constructor(stage: DebateStage, calls: DebateCalls) {
    this.#stage = stage
    this.#calls = calls
  }

  async step(now: DebateNow, all: readonly DebateArgument[]): Promise<Move | 'ended'> {
    const { context, hold, debate, participants } = this.#stage
    const { rows: open } = await context.sql.query<OpenTurn>(hold.identity, OPEN_VOTES, [hold.identity.tenant, debate.id])
    if (open.length === 0) {
      await this.#conclude(now, all)
      return 'ended'
    }
    // With a budget used up, nobody is asked any more.
    const byPosition = debate.configuration.voting === 'positions' || now.endReason === 'tokens' || now.endReason === 'time' || spent(debate.configuration, now) === 'time'
    const outcomes = await Promise.allSettled(open.map((vote) => this.#take(now, vote, participants[vote.participant - 1] as DebateParticipant, byPosition, all)))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    return outcomes.some((outcome) => outcome.status === 'fulfilled' && outcome.value === 'moved') ? 'moved' : 'waiting'
  }

  async #take(now: DebateNow, row: OpenTurn, participant: DebateParticipant, byPosition: boolean, all: readonly DebateArgument[]): Promise<Move> {
    const { hold, debate, calls } = this.#stage
    const { answerTimeoutMs, timeBudgetMs } = debate.configuration
    const who = calls.get(participant.number)
    const lastPosition = (): Promise<Move> => this.#cast(participant, standOf(participant, all))
    if (byPosition || (who !== undefined && who.vote === undefined)) return lastPosition()
    const vote = who?.vote
    if (vote === undefined) {
      if (row.status !== 'awaiting') await hold.note(OPEN_VOTE, [participant.number, 'awaiting', 0])
      else if (answerTimeoutMs !== null && row.openMs !== null && row.openMs >= answerTimeoutMs) return lastPosition()
      return 'waiting'
    }
    if ((await hold.note(OPEN_VOTE, [participant.number, 'calling', 1])).rowCount === 0) return 'moved'
    const timeLeftMs = timeBudgetMs === null ? null : timeBudgetMs - now.elapsedMs
    const positions = [...new Set([...this.#stage.participants.map(({ position }) => position), ...all.map(({ position }) => position)].filter((position) => position !== null))]
    const result = await this.#calls.call(who, { timeLeftMs }, async (signal) =>
      checkBallot(await vote({ debate: now, participant, arguments: all, positions, timeLeftMs, signal, callKey: `${debate.id}:vote:${participant.number}`, attempt: row.attempts + 1, uncertain: row.attempts > row.failures })),
    )
    if (result.kind === 'answer') return this.#cast(participant, result.answer)
    // Who cannot be asked has said where it stands.
    if (result.kind === 'cut' || (await this.#calls.failed(FAIL_VOTE, [participant.number], result))) return lastPosition()
    return 'moved'
  }

  async #cast({ number }: DebateParticipant, ballot: (Omit<DebateBallot, 'confidence'> & { readonly confidence?: number | null }) | null): Promise<Move> {
    await this.#stage.hold.note(CAST_VOTE, [number, ballot?.position ?? null, ballot?.confidence ?? null, ballot?.reason ?? null])
    return 'moved'
  }

  async #conclude(now: DebateNow, all: readonly DebateArgument[]): Promise<void> {
    const { context, hold, debate, participants, options } = this.#stage
    const of = [hold.identity.tenant, debate.id]
    const { rows: votes } = await context.sql.query<DebateVote>(hold.identity, LIST_VOTES, of)
    const rounds = (await context.sql.query(hold.identity, LIST_ROUNDS, of)).rows.length
    const weightOf = new Map(participants.map(({ name, weight }) => [name, weight]))
    const voices = votes.flatMap(({ participant, position, confidence }) => (position === null ? [] : [{ position, confidence, weight: weightOf.get(participant) ?? 1 }]))
    const result = tally(voices, debate.configuration.threshold)
    let conclusion = conclusionText(result, { rounds, arguments: now.totalArguments, voters: voices.length, entitled: votes.length, threshold: debate.configuration.threshold })
    const { conclude } = options
    if (conclude !== undefined) {
      const told = await this.#calls.call(undefined, { timeLeftMs: null }, async (signal) =>
        check(conclusionSchema, await conclude({ debate: now, tally: result, votes, arguments: all, text: conclusion, callKey: `${debate.id}:conclusion`, signal }), 'conclusion'),
      )
      if (told.kind === 'answer') conclusion = told.answer
      else if (told.kind === 'failed') await this.#calls.count(`conclusion: ${told.error}`)
    }
    await hold.write(COMPLETE_DEBATE, [result.consensus, result.winner, conclusion])
  }
}
