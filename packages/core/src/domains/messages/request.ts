import { setTimeout as sleep } from 'node:timers/promises'
import { v4 as uuidv4 } from 'uuid'
import { CairnError } from '../../errors/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { check, uuidText } from '../../checks/index.ts'
import { requestOptionsInput } from './input.ts'
import type { MessageRoom } from './room.ts'
import { getMessage } from './history.ts'
import { draft, sendOne } from './send.ts'
import type { AgentMessage, RequestInput, RequestOptions } from './types.ts'

/** Sends and waits for the first reply; see MessagesService.request. */
export async function request(room: MessageRoom, context: DomainContext, input: RequestInput, options: RequestOptions): Promise<AgentMessage> {
  check(requestOptionsInput, options, 'options')
  const ownCorrelation = input?.correlationId === undefined
  const correlationId = input?.correlationId ?? uuidv4()
  const prepared = await draft(room, context, { kind: 'query', ...input, correlationId }, { replyTo: 'request', ownCorrelation })
  if (prepared.row.from === undefined) {
    throw new CairnError('INVALID_ARGUMENT', 'from: a request needs an agent that the reply goes to. Give `from`, or act as an agent.', { details: { field: 'from' } })
  }
  // The time runs from the call, and the reply may come before the sender hears that the request is stored.
  const refused = new AbortController()
  const signal = options.signal === undefined ? refused.signal : AbortSignal.any([options.signal, refused.signal])
  const waiting = awaitReply(room, correlationId, { ...options, signal })
  waiting.catch(() => undefined)
  try {
    const { id, duplicate } = await sendOne(room, prepared)
    if (!duplicate || !ownCorrelation) return await waiting
    // It was sent before, with the correlation id of that time: the reply goes there.
    const { correlationId: first } = await getMessage(room, id)
    return await awaitReply(room, first ?? correlationId, options)
  } finally {
    refused.abort()
  }
}

/** Waits for the reply to a request, also to one that another process sent. TIMEOUT, CLOSED. */
export async function awaitReply(room: MessageRoom, correlation: string, options: RequestOptions): Promise<AgentMessage> {
  const correlationId = check(uuidText, correlation, 'correlationId')
  const { timeoutMs, signal } = check(requestOptionsInput, options, 'options')
  room.assertOpen()
  const found = new AbortController()
  let reply: AgentMessage | undefined
  const forget = room.waiters.onReply(correlationId, (message) => {
    reply ??= message
    found.abort()
  })
  room.waiters.lookNow()
  try {
    const signals = [found.signal, room.closing.signal, ...(signal === undefined ? [] : [signal])]
    await sleep(timeoutMs, undefined, { signal: AbortSignal.any(signals) }).catch(() => undefined)
  } finally {
    forget()
  }
  if (reply !== undefined) return reply
  room.assertOpen()
  const why = signal?.aborted === true ? 'was given up by the caller' : `had no reply within ${timeoutMs} ms`
  throw new CairnError('TIMEOUT', `The request ${correlationId} ${why}. A later reply is kept: messages.awaitReply(${JSON.stringify(correlationId)}) gives it.`, {
    details: { correlationId, timeoutMs },
  })
}
