import { type SqlBool, sql } from 'kysely'
import { compose, runComposed } from '../../engines/sql/index.ts'
import { CairnError } from '../../errors/index.ts'
import { MAINTENANCE } from '../../identity/index.ts'
import { decodeCursor, encodeCursor, pageLimit, type Page } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { checkInput, isUuid, searchMessagesInput } from './input.ts'
import { FOUND_MESSAGES } from './records-queries.ts'
import { toMessage, type MessageRow } from './rows.ts'
import type { FoundMessage, SearchMessagesOptions } from './types.ts'

const LIST = 'found messages'

interface Ranked {
  readonly message_id: string
  readonly score: number
}

/**
 * Best first, by ts_rank_cd over the logarithm of the length; the id breaks ties. A page goes on behind the score and id of the last one
 * shown, so that messages that come meanwhile neither repeat nor hide others.
 */
export async function searchMessages(context: DomainContext, options: SearchMessagesOptions): Promise<Page<FoundMessage>> {
  const { limit: _limit, cursor: _cursor, ...given } = options
  const { query, match, ...place } = checkInput(searchMessagesInput.strict(), given, 'options')
  const limit = pageLimit(options)
  const behind = cursorPlace(options.cursor)
  const { tenant } = context.identity
  // As MAINTENANCE: behind row-level security PostgreSQL may not ask the index, for `@@` is not leakproof. One tenant a statement; ids and
  // ranks alone come back, and the messages are then read as the tenant.
  const { rows: ranked } = await runComposed<Ranked>({ query: (text, values) => context.sql.query(MAINTENANCE, text, values) }, rank(tenant, query, match, place, behind, limit + 1))
  const shown = ranked.slice(0, limit)
  const ids = shown.map((row) => row.message_id)
  const { rows } = ids.length === 0 ? { rows: [] } : await context.sql.query<MessageRow & { snippet: string }>(context.identity, FOUND_MESSAGES, [tenant, ids, query, match])
  const byId = new Map(rows.map((row) => [row.message_id, row]))
  const items = shown.flatMap(({ message_id, score }): FoundMessage[] => {
    const row = byId.get(message_id)
    return row === undefined ? [] : [{ message: toMessage(row), score, snippet: row.snippet }]
  })
  const last = shown.at(-1)
  return { items, nextCursor: ranked.length > limit && last !== undefined ? encodeCursor(LIST, [last.score, last.message_id]) : null }
}

type Place = Omit<ReturnType<typeof searchMessagesInput.parse>, 'query' | 'match'>

function rank(tenant: string, query: string, match: 'any' | 'all', place: Place, behind: Ranked | undefined, limit: number) {
  const words = match === 'any' ? sql`conversations.any_word(${query})` : sql`plainto_tsquery('pg_catalog.english', ${query})`
  const lexemes = [` t${tenant}`, ...(place.sessionId === undefined ? [] : [` s${place.sessionId}`]), ...(place.threadId === undefined ? [] : [` h${place.threadId}`])]
  const where = sql`(SELECT string_agg(conversations.quoted_lexeme(l), ' & ')::tsquery FROM unnest(${lexemes}::text[]) AS l)`
  // Without a word that counts there is nothing to look for: the place alone would match everything.
  const found = sql<SqlBool>`numnode(${words}) > 0 AND m.terms @@ (${words} && ${where})`
  const score = sql<number>`ts_rank_cd(m.terms, ${words}, 1)::float8`
  let inner = compose.selectFrom('conversations.messages as m').where('m.tenant_id', '=', tenant).where(found)
  if (place.sessionId !== undefined) inner = inner.where('m.chat_session_id', '=', place.sessionId)
  if (place.threadId !== undefined) inner = inner.where('m.thread_id', '=', place.threadId)
  if (place.agentId !== undefined) inner = inner.where('m.author_agent_id', '=', place.agentId)
  if (place.role !== undefined) inner = inner.where('m.author_kind', '=', place.role)
  if (place.sentAfter !== undefined) inner = inner.where('m.sent_at', '>=', place.sentAfter)
  if (place.sentBefore !== undefined) inner = inner.where('m.sent_at', '<', place.sentBefore)
  let outer = compose.selectFrom(inner.select(['m.message_id', score.as('score')]).as('r')).select(['r.message_id', 'r.score'])
  if (behind !== undefined) outer = outer.where(sql<SqlBool>`(r.score < ${behind.score}::float8 OR (r.score = ${behind.score}::float8 AND r.message_id > ${behind.message_id}::uuid))`)
  return outer.orderBy('r.score', 'desc').orderBy('r.message_id').limit(limit)
}

function cursorPlace(cursor: string | undefined): Ranked | undefined {
  const key = decodeCursor(LIST, cursor, 2)
  if (key === undefined) return undefined
  const [score, id] = key
  if (typeof score === 'number' && typeof id === 'string' && isUuid(id)) return { score, message_id: id }
  throw new CairnError('INVALID_CURSOR', 'cursor: this is not a cursor of a search for messages. Start again without a cursor.', { details: { list: LIST } })
}
