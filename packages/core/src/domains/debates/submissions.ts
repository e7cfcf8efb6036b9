import { uuidv7 } from '../../ids/index.ts'
import { check, invalid, jsonText } from '../../checks/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { CairnError } from '../../errors/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { tokenCounter } from './count-tokens.ts'
import { MAX_EVIDENCE_BYTES } from './debate-turns.ts'
import { wakeDebate } from './debate-wakes.ts'
import { ARGUMENTS_SINCE, ARGUMENT_EXISTS, ARGUMENT_OF_OPERATION, AWAITED_TURN, CLOSE_TURN, GET_ARGUMENT, INSERT_ARGUMENT, LIST_PARTICIPANTS, LIST_VOTES, LOCK_DEBATE, SUBMIT_VOTE, VOTE_OF } from './debates-queries.ts'
import { submitSchema, voteSchema } from './input.ts'
import { inOrder } from './rows.ts'
import { answered } from './speaking-order.ts'
import type { Debate, DebateArgument, DebateParticipant, DebateVote, SubmitArgument, SubmitVote } from './types.ts'

/** What participants say from outside, in any process, whether or not one runs the debate at this moment. */
export class DebateSubmissions {
  readonly #context: DomainContext

  constructor(context: DomainContext) {
    this.#context = context
  }

  async submit(debate: Debate, input: SubmitArgument): Promise<DebateArgument | null> {
    const { participant, content, pass, operationId = null, ...said } = check(submitSchema, input, 'argument')
    if (pass === (content !== undefined)) throw invalid('content', pass ? 'one who passes says nothing' : 'is missing; give pass: true to say nothing')
    const evidence = jsonText('evidence', said.evidence ?? [], MAX_EVIDENCE_BYTES)
    const tokens = content === undefined ? 0 : (said.tokens ?? (await tokenCounter(undefined))(content))
    const { sql, identity } = this.#context
    const of = [identity.tenant, debate.id]
    const stored = await sql.transaction(
      identity,
      async (session) => {
        const now = (await session.query<Debate>(LOCK_DEBATE, of)).rows[0]
        const known = operationId === null ? undefined : (await session.query<DebateArgument>(ARGUMENT_OF_OPERATION, [...of, operationId])).rows[0]
        if (known !== undefined) return known
        await this.#member(session, debate, participant)
        const turn = now?.status !== 'active' ? undefined : (await session.query<{ round: number; turn: number; participant: number; position: string | null }>(AWAITED_TURN, [...of, participant])).rows[0]
        if (turn === undefined) throw notOpen(debate, now, participant, 'argument')
        const { rowCount } = await session.query(CLOSE_TURN, [...of, turn.round, turn.turn, 'awaiting', pass ? 'skipped' : 'done'])
        if (rowCount === 0) throw notOpen(debate, now, participant, 'argument')
        if (content === undefined) return null
        if (said.replyTo !== undefined && (await session.query(ARGUMENT_EXISTS, [...of, said.replyTo])).rowCount === 0) throw invalid('replyTo', 'the debate has no argument with this id')
        const replyTo = said.replyTo ?? (await this.#answered(session, debate, turn.participant, turn.round))
        const id = uuidv7()
        await session.query(INSERT_ARGUMENT, [...of, id, turn.round, turn.turn, turn.participant, said.position ?? turn.position, content, said.confidence ?? null, evidence, replyTo, tokens, operationId])
        return (await session.query<DebateArgument>(GET_ARGUMENT, [...of, id])).rows[0] ?? null
      },
      { attempts: 3 },
    )
    wakeDebate(sql, identity.tenant, debate.id)
    return stored
  }

  async vote(debate: Debate, input: SubmitVote): Promise<DebateVote> {
    const { participant, position = null, confidence = null, reason = null, abstain } = check(voteSchema, input, 'vote')
    if (abstain === (position !== null)) throw invalid('position', abstain ? 'one who abstains names none' : 'is missing; give abstain: true to vote for none')
    const { sql, identity } = this.#context
    const of = [identity.tenant, debate.id]
    const votes = await sql.transaction(
      identity,
      async (session) => {
        const now = (await session.query<Debate>(LOCK_DEBATE, of)).rows[0]
        await this.#member(session, debate, participant)
        const vote = (await session.query<{ participant: number; status: string; position: string | null; confidence: number | null }>(VOTE_OF, [...of, participant])).rows[0]
        if (vote !== undefined && (vote.status === 'done' || vote.status === 'skipped')) {
          if (vote.position !== position || vote.confidence !== confidence) throw new CairnError('DUPLICATE_KEY', `${JSON.stringify(participant)} has voted in the debate ${debate.key} already, and otherwise. A vote is final.`, { details: { debate: debate.id, participant } })
        } else if (vote === undefined || now?.status !== 'voting' || (await session.query(SUBMIT_VOTE, [...of, vote.participant, position, confidence, reason])).rowCount === 0) throw notOpen(debate, now, participant, 'vote')
        return (await session.query<DebateVote>(LIST_VOTES, of)).rows
      },
      { attempts: 3 },
    )
    wakeDebate(sql, identity.tenant, debate.id)
    return votes.find((vote) => vote.participant === participant) as DebateVote
  }

  async #answered(session: SqlSession, { id, mode }: Debate, number: number, round: number): Promise<string | null> {
    const of = [this.#context.identity.tenant, id]
    const { rows: participants } = await session.query<DebateParticipant>(LIST_PARTICIPANTS, of)
    const { rows: all } = await session.query<DebateArgument>(ARGUMENTS_SINCE, [...of, 0])
    return answered(mode, participants, participants[number - 1] as DebateParticipant, round, inOrder(all))?.id ?? null
  }

  async #member(session: SqlSession, debate: Debate, participant: string): Promise<void> {
    const { rows } = await session.query<DebateParticipant>(LIST_PARTICIPANTS, [this.#context.identity.tenant, debate.id])
    if (rows.some(({ name }) => name === participant)) return
    throw new CairnError('NOT_FOUND', `${JSON.stringify(participant)} does not take part in the debate ${debate.key}. Its participants: ${rows.map(({ name }) => JSON.stringify(name)).join(', ')}.`, { details: { debate: debate.id, participant } })
  }
}

function notOpen(debate: Debate, now: Debate | undefined, participant: string, kind: 'argument' | 'vote'): CairnError {
  const status = now?.status ?? debate.status
  return new CairnError('TURN_NOT_OPEN', `The debate ${debate.key} (${status}) does not wait for ${kind === 'vote' ? 'the vote' : 'an argument'} of ${JSON.stringify(participant)} now. Nothing was stored; see \`awaited\` for whom it waits.`, {
    details: { debate: debate.id, participant, status, kind },
  })
}
