import { CairnError } from '../../errors/index.ts'
import { decodeCursor, pageLimit, toPage, type Page, type PageOptions } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { COUNT_EDIT, INSERT_EDIT, LIST_EDITS, LIST_MESSAGES, LOCK_MESSAGE, LOCK_SESSION, SELECT_MESSAGE, SELECT_SESSION, SELECT_THREAD, UPDATE_CONTENT } from './conversations-queries.ts'
import { notFound, oneRow } from './failures.ts'
import { checkInput, contentInput, editInput, idInput, idOrKeyInput, isUuid, listMessagesInput } from './input.ts'
import { toEdit, toMessage, type EditRow, type MessageRow } from './rows.ts'
import { checkSize } from './text-checks.ts'
import { TOKEN_ENCODING, countTokens } from '../../tokens/index.ts'
import type { EditOptions, ListMessagesOptions, Message, MessageEdit } from './types.ts'

export async function findMessage(context: DomainContext, idOrKey: string): Promise<Message | null> {
  const name = checkInput(idOrKeyInput, idOrKey, 'idOrKey')
  const { sql, identity } = context
  const { rows } = await sql.query<MessageRow>(identity, SELECT_MESSAGE, [identity.tenant, isUuid(name) ? name : null, name])
  return rows[0] === undefined ? null : toMessage(rows[0])
}

export async function listMessages(context: DomainContext, options: ListMessagesOptions): Promise<Page<Message>> {
  const { sessionId, threadId, order, after, before } = checkInput(listMessagesInput, options, 'options')
  const scope = threadId === undefined ? 'session' : 'thread'
  const owner = (threadId ?? sessionId) as string
  const list = `messages/${scope}/${owner}/${order}`
  const limit = pageLimit(options)
  const shown = cursorPosition(decodeCursor(list, options.cursor, 1)?.[0])
  const low = Math.max(after ?? 0, order === 'asc' ? (shown ?? 0) : 0)
  const high = Math.min(before ?? Number.MAX_SAFE_INTEGER, order === 'desc' ? (shown ?? Number.MAX_SAFE_INTEGER) : Number.MAX_SAFE_INTEGER)
  const { sql, identity } = context
  const { rows } = await sql.query<MessageRow>(identity, LIST_MESSAGES[scope][order], [identity.tenant, owner, low, high, limit + 1], {
    name: `conversations.messages.${scope}.${order}`,
  })
  if (rows.length === 0) {
    const query = scope === 'thread' ? SELECT_THREAD : SELECT_SESSION
    if ((await sql.query(identity, query, [identity.tenant, owner, null])).rows.length === 0) throw notFound(scope === 'thread' ? 'thread' : 'chat session', owner)
  }
  return toPage(list, rows.map(toMessage), limit, (item) => [scope === 'thread' ? item.seq : item.sessionSeq])
}

function cursorPosition(part: unknown): number | undefined {
  if (part === undefined || Number.isSafeInteger(part)) return part as number | undefined
  throw new CairnError('INVALID_CURSOR', 'cursor: this is not a cursor of this list. Start again without a cursor.')
}

/**
 * Takes the locks in the order of an append (session, thread, message), for it changes the same sums.
 * Without a count given, tokens are counted anew: the old number was of another text.
 */
export async function editMessage(context: DomainContext, messageId: string, content: string, options: EditOptions): Promise<Message> {
  const id = checkInput(idInput, messageId, 'messageId')
  const text = checkInput(contentInput, content, 'content')
  const { tokenCount } = checkInput(editInput, options, 'options')
  checkSize('content', text)
  const before = await findMessage(context, id)
  if (before === null || before.id !== id) throw notFound('message', id)
  const tokens = tokenCount === undefined ? await countTokens(text) : tokenCount
  const { sql, identity } = context
  const { tenant, actor } = identity
  const row = await sql.transaction(identity, async (transaction) => {
    await transaction.query(LOCK_SESSION, [tenant, before.sessionId])
    const current = await oneRow<MessageRow>(transaction, LOCK_MESSAGE, [tenant, id])
    if (current === undefined) throw notFound('message', id)
    if (current.content === text) return current
    await transaction.query(INSERT_EDIT, [tenant, id, `${actor.kind}:${actor.id}`])
    await transaction.query(COUNT_EDIT, [tenant, before.threadId, before.sessionId, (tokens ?? 0) - (current.token_count ?? 0)])
    return oneRow<MessageRow>(transaction, UPDATE_CONTENT, [tenant, id, text, tokens, tokenCount === undefined ? TOKEN_ENCODING : null])
  })
  return toMessage(row as MessageRow)
}

export async function listEdits(context: DomainContext, messageId: string, options: PageOptions): Promise<Page<MessageEdit>> {
  const id = checkInput(idInput, messageId, 'messageId')
  const list = `edits/${id}`
  const limit = pageLimit(options)
  const after = cursorPosition(decodeCursor(list, options.cursor, 1)?.[0]) ?? 0
  const { sql, identity } = context
  const { rows } = await sql.query<EditRow>(identity, LIST_EDITS, [identity.tenant, id, after, limit + 1])
  if (rows.length === 0 && (await findMessage(context, id)) === null) throw notFound('message', id)
  return toPage(list, rows.map(toEdit), limit, (item) => [item.editNo])
}
