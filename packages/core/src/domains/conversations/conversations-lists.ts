import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, type CompiledQuery } from 'kysely'
import type { ParticipantRow, SessionRow, ThreadRow } from './rows.ts'
import type { ChatSessionKind, ChatStatus, ParticipantKind, ThreadKind, ThreadStatus } from './types.ts'

interface Tables {
  'conversations.chat_sessions': SessionRow & { tenant_id: string }
  'conversations.participants': ParticipantRow & { tenant_id: string; chat_session_id: string }
  'conversations.threads': ThreadRow & { tenant_id: string }
}

/** Composes SQL and never runs it: the statement goes through the engine, as its identity. */
const composer = new Kysely<Tables>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
})

export interface SessionFilter {
  readonly status?: ChatStatus | undefined
  readonly type?: ChatSessionKind | undefined
  readonly participant?: { readonly kind: ParticipantKind; readonly id: string } | undefined
}

/** Newest first; the id is a UUIDv7, so that its order is that of creation. A participant's sessions come from participants_of. */
export function composeSessionList(tenant: string, filter: SessionFilter, before: string | undefined, limit: number): CompiledQuery {
  let query = composer.selectFrom('conversations.chat_sessions as s').selectAll('s').where('s.tenant_id', '=', tenant)
  if (filter.status !== undefined) query = query.where('s.status', '=', filter.status)
  if (filter.type !== undefined) query = query.where('s.session_type', '=', filter.type)
  if (filter.participant !== undefined) {
    const { kind, id } = filter.participant
    query = query.where('s.chat_session_id', 'in', (part) =>
      part
        .selectFrom('conversations.participants as p')
        .select('p.chat_session_id')
        .where('p.tenant_id', '=', tenant)
        .where('p.participant_kind', '=', kind)
        .where('p.participant_id', '=', id)
        .where('p.left_at', 'is', null),
    )
  }
  if (before !== undefined) query = query.where('s.chat_session_id', '<', before)
  return query.orderBy('s.chat_session_id', 'desc').limit(limit).compile()
}

export interface ThreadFilter {
  readonly sessionId?: string | undefined
  readonly agentId?: string | undefined
  readonly compressionRequestId?: string | undefined
  readonly type?: ThreadKind | undefined
  readonly status?: ThreadStatus | undefined
}

/** In the order of creation. */
export function composeThreadList(tenant: string, filter: ThreadFilter, after: string | undefined, limit: number): CompiledQuery {
  let query = composer.selectFrom('conversations.threads as t').selectAll('t').where('t.tenant_id', '=', tenant)
  if (filter.sessionId !== undefined) query = query.where('t.chat_session_id', '=', filter.sessionId)
  if (filter.agentId !== undefined) query = query.where('t.agent_id', '=', filter.agentId)
  if (filter.compressionRequestId !== undefined) query = query.where('t.compression_request_id', '=', filter.compressionRequestId)
  if (filter.type !== undefined) query = query.where('t.conversation_type', '=', filter.type)
  if (filter.status !== undefined) query = query.where('t.status', '=', filter.status)
  if (after !== undefined) query = query.where('t.thread_id', '>', after)
  return query.orderBy('t.thread_id', 'asc').limit(limit).compile()
}
