import { uuidv7 } from '../../ids/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { decodeCursor, pageLimit, toPage, type Page } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { lockOpenSession } from './chat-participants.ts'
import { composeThreadList } from './conversations-lists.ts'
import { COMPLETE_THREAD, INSERT_THREAD, SELECT_THREAD, UPDATE_THREAD } from './conversations-queries.ts'
import { duplicateKey, notFound, oneRow, withAgents, withCompressionRequest } from './failures.ts'
import { checkInput, completeThreadInput, createThreadInput, idInput, idOrKeyInput, isUuid, listThreadsInput, updateThreadInput } from './input.ts'
import { toThread, type ThreadRow } from './rows.ts'
import { jsonText } from './text-checks.ts'
import type { CompleteThreadInput, CreateThreadInput, ListThreadsOptions, Thread, UpdateThreadInput } from './types.ts'

export async function createThread(context: DomainContext, input: CreateThreadInput): Promise<Thread> {
  const checked = checkInput(createThreadInput, input, 'thread')
  const { sql, identity } = context
  const values = [
    identity.tenant,
    uuidv7(),
    checked.key ?? null,
    checked.sessionId,
    checked.type,
    checked.agentId ?? null,
    checked.modelId ?? null,
    checked.compressionRequestId ?? null,
    jsonText('metadata', checked.metadata),
    checked.breakerService ?? null,
    checked.startedAt ?? null,
  ]
  const agents = checked.agentId === undefined ? [] : [{ id: checked.agentId, field: 'agentId' }]
  try {
    const row = await withAgents(context, agents, () =>
      withCompressionRequest(checked.compressionRequestId, () =>
        sql.transaction(identity, async (transaction) => {
          await lockOpenSession(transaction, identity.tenant, checked.sessionId)
          return oneRow<ThreadRow>(transaction, INSERT_THREAD, values)
        }),
      ),
    )
    return toThread(row as ThreadRow)
  } catch (error) {
    if (checked.key !== undefined && isCairnError(error, 'DUPLICATE_KEY')) throw duplicateKey('thread', checked.key, error)
    throw error
  }
}

export async function findThread(context: DomainContext, idOrKey: string): Promise<Thread | null> {
  const name = checkInput(idOrKeyInput, idOrKey, 'idOrKey')
  const { sql, identity } = context
  const { rows } = await sql.query<ThreadRow>(identity, SELECT_THREAD, [identity.tenant, isUuid(name) ? name : null, name])
  return rows[0] === undefined ? null : toThread(rows[0])
}

export async function listThreads(context: DomainContext, options: ListThreadsOptions): Promise<Page<Thread>> {
  const filter = checkInput(listThreadsInput, options, 'options')
  const limit = pageLimit(options)
  const after = decodeCursor('threads', options.cursor, 1)?.[0]
  const { sql, identity } = context
  const query = composeThreadList(identity.tenant, filter, cursorId(after), limit + 1)
  const { rows } = await sql.query<ThreadRow>(identity, query.sql, query.parameters)
  return toPage('threads', rows.map(toThread), limit, (item) => [item.id])
}

/** A cursor is the caller's text: what stands in it is checked like any other id. */
export function cursorId(part: unknown): string | undefined {
  if (part === undefined) return undefined
  if (typeof part === 'string' && isUuid(part)) return part
  throw new CairnError('INVALID_CURSOR', 'cursor: this is not a cursor of this list. Start again without a cursor.')
}

export async function updateThread(context: DomainContext, threadId: string, patch: UpdateThreadInput): Promise<Thread> {
  const id = checkInput(idInput, threadId, 'threadId')
  const checked = checkInput(updateThreadInput, patch, 'patch')
  const { sql, identity } = context
  const values = [
    identity.tenant,
    id,
    checked.status ?? null,
    checked.metadata === undefined ? null : jsonText('metadata', checked.metadata),
    checked.modelId !== undefined,
    checked.modelId ?? null,
    checked.compressionRequestId !== undefined,
    checked.compressionRequestId ?? null,
    checked.breakerService !== undefined,
    checked.breakerService ?? null,
  ]
  const { rows } = await withCompressionRequest(checked.compressionRequestId, () => sql.query<ThreadRow>(identity, UPDATE_THREAD, values))
  if (rows[0] !== undefined) return toThread(rows[0])
  if ((await findThread(context, id)) === null) throw notFound('thread', id)
  throw new CairnError('INVALID_TRANSITION', `status: the thread ${id} is completed and cannot become ${checked.status ?? ''} again. Open a new thread.`, {
    details: { field: 'status', from: 'completed', to: checked.status, allowed: [] },
  })
}

export async function completeThread(context: DomainContext, threadId: string, input: CompleteThreadInput): Promise<Thread> {
  const id = checkInput(idInput, threadId, 'threadId')
  const checked = checkInput(completeThreadInput, input, 'input')
  const { sql, identity } = context
  const { rows } = await sql.query<ThreadRow>(identity, COMPLETE_THREAD, [identity.tenant, id, checked.completedAt ?? null, checked.durationSeconds ?? null])
  if (rows[0] !== undefined) return toThread(rows[0])
  const completed = await findThread(context, id)
  if (completed === null) throw notFound('thread', id)
  return completed
}
