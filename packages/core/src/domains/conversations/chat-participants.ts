import { decodeCursor, pageLimit, toPage, type Page } from '../../paging/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { LEAVE_SESSION, LIST_PARTICIPANTS, LOCK_SESSION_STATUS, SELECT_SESSION, UPSERT_PARTICIPANTS } from './conversations-queries.ts'
import { notFound, oneRow, sessionEnded, withAgents } from './failures.ts'
import { checkInput, idInput, participantInput } from './input.ts'
import { toParticipant, type ParticipantRow } from './rows.ts'
import type { ChatStatus, ListParticipantsOptions, Participant, ParticipantInput } from './types.ts'

/** Who takes part in a chat session, since when and until when. */
export class ChatParticipants {
  readonly #context: DomainContext

  constructor(context: DomainContext) {
    this.#context = context
  }

  /**
   * Adds a participant; one who is there already only gets the new role, one who had left joins anew.
   * @throws NOT_FOUND, CONVERSATION_ENDED, AGENT_NOT_FOUND, INVALID_ARGUMENT
   */
  async add(sessionId: string, participant: ParticipantInput): Promise<Participant> {
    const session = checkInput(idInput, sessionId, 'sessionId')
    const checked = checkInput(participantInput, participant, 'participant')
    const { sql, identity } = this.#context
    const agents = checked.kind === 'agent' ? [{ id: checked.id, field: 'id' }] : []
    const rows = await withAgents(this.#context, agents, () =>
      sql.transaction(identity, async (transaction) => {
        await lockOpenSession(transaction, identity.tenant, session)
        return addParticipants(transaction, identity.tenant, session, [checked])
      }),
    )
    return rows[0] as Participant
  }

  /** Marks a participant as gone; the first time counts. @throws NOT_FOUND */
  async leave(sessionId: string, participant: { readonly kind: 'agent' | 'user'; readonly id: string }): Promise<Participant> {
    const session = checkInput(idInput, sessionId, 'sessionId')
    const { kind, id } = checkInput(participantInput, participant, 'participant')
    const { sql, identity } = this.#context
    const { rows } = await sql.query<ParticipantRow>(identity, LEAVE_SESSION, [identity.tenant, session, kind, id])
    if (rows[0] === undefined) throw notFound('participant', id)
    return toParticipant(rows[0])
  }

  /** Users first, then agents, each by id. @throws NOT_FOUND, INVALID_ARGUMENT, INVALID_CURSOR */
  async list(sessionId: string, options: ListParticipantsOptions = {}): Promise<Page<Participant>> {
    const session = checkInput(idInput, sessionId, 'sessionId')
    const list = `participants/${session}`
    const limit = pageLimit(options)
    const [kind, id] = decodeCursor(list, options.cursor, 2) ?? [null, null]
    const { sql, identity } = this.#context
    const values = [identity.tenant, session, options.includeLeft ?? false, kind, id, limit + 1]
    const { rows } = await sql.query<ParticipantRow>(identity, LIST_PARTICIPANTS, values)
    if (rows.length === 0 && (await sql.query(identity, SELECT_SESSION, [identity.tenant, session, null])).rows.length === 0) throw notFound('chat session', session)
    return toPage(list, rows.map(toParticipant), limit, (item) => [item.kind, item.id])
  }
}

/** Keeps the session open until the transaction is over. @throws NOT_FOUND, CONVERSATION_ENDED */
export async function lockOpenSession(transaction: SqlSession, tenant: string, sessionId: string): Promise<void> {
  const session = await oneRow<{ status: ChatStatus }>(transaction, LOCK_SESSION_STATUS, [tenant, sessionId])
  if (session === undefined) throw notFound('chat session', sessionId)
  if (session.status === 'ended') throw sessionEnded(sessionId)
}

type CheckedParticipant = { readonly kind: 'agent' | 'user'; readonly id: string; readonly role?: string | undefined }

export async function addParticipants(transaction: SqlSession, tenant: string, sessionId: string, participants: readonly CheckedParticipant[]): Promise<Participant[]> {
  const { rows } = await transaction.query<ParticipantRow>(UPSERT_PARTICIPANTS, [tenant, sessionId, JSON.stringify(participants)])
  return rows.map(toParticipant)
}
