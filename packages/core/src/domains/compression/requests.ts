import { uuidv7 } from '../../ids/index.ts'
import { check, invalid, jsonText } from '../../checks/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { decodeCursor, pageLimit, toPage, type Page } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import type { TasksService } from '../tasks/index.ts'
import { AGENT_ALGORITHMS, CANCEL_REQUEST, DELETE_REQUEST, INSERT_REQUEST, LINK_TASK, LIST_REQUESTS, SELECT_OUTPUT, SELECT_REQUEST, SETTLE_REQUESTS } from './compression-queries.ts'
import { existingAgent } from './existing-agent.ts'
import { bytesOf, levelOf, requestFilterInput, requestIdInput, requestInput } from './input.ts'
import { sha256 } from './packed.ts'
import { toRequest, type RequestRow } from './rows.ts'
import { ensureAlgorithms } from './statistics.ts'
import type { CompressionRequest, CompressionRequestFilter, NewCompressionRequest } from './types.ts'
import { MAX_REQUEST_INPUT, type CompressionAlgorithmId } from './words.ts'

/** The types of the tasks that carry requests. */
export const COMPRESSION_TASK_TYPES = { compress: 'compression.compress', decompress: 'compression.decompress' } as const

/**
 * Compressions and decompressions that an agent executes as a task (S0 §11): the bytes lie in the database, a worker of
 * `cairn.compression.work()` takes the task, and the result is stored once, whatever dies on the way.
 * Errors besides those named: INVALID_ARGUMENT with `details.field`, and those of the SQL engine.
 */
export class CompressionRequests {
  readonly #context: DomainContext
  readonly #tasks: TasksService

  constructor(context: DomainContext, tasks: TasksService) {
    this.#context = context
    this.#tasks = tasks
  }

  /** Stores a request of up to 16 MiB and its task, in one transaction. @throws PAYLOAD_TOO_LARGE, AGENT_NOT_FOUND, SERIALIZATION_ERROR */
  async create(request: NewCompressionRequest): Promise<CompressionRequest> {
    const { data, operation, algorithm, level, goal, agent, priority, maxOutputBytes, metadata } = check(requestInput, request, 'request')
    const input = bytesOf(data, 'data', MAX_REQUEST_INPUT)
    const chosen = algorithm === 'auto' ? null : algorithm
    if (operation === 'decompress' && chosen === null) throw invalid('algorithm', 'decompression needs the name of the algorithm')
    if (chosen === null && level !== undefined) throw invalid('level', 'it is chosen with the algorithm; name an algorithm, or leave it out')
    const atLevel = chosen === null || operation === 'decompress' ? null : levelOf(chosen, level)
    const { sql, identity } = this.#context
    const agentId = agent === undefined ? null : await existingAgent(this.#context, agent)
    if (agentId !== null && chosen !== null) await this.#checkAgent(agentId, chosen)
    if (chosen !== null) await ensureAlgorithms(this.#context, [chosen])
    const id = uuidv7()
    const values = [identity.tenant, id, operation, chosen, atLevel, goal, input, sha256(input), input.byteLength, maxOutputBytes, agentId, jsonText('metadata', metadata)]
    const row = await sql.transaction(identity, async (tx) => {
      const { rows } = await tx.query<RequestRow>(INSERT_REQUEST, values)
      const task = await this.#tasks.enqueue({ type: COMPRESSION_TASK_TYPES[operation], key: taskKey(id), priority, payload: { requestId: id }, ...(agentId === null ? {} : { agent: agentId }) }, { tx })
      await tx.query(LINK_TASK, [identity.tenant, task.id, id, chosen])
      return rows[0] as RequestRow
    })
    return toRequest(row)
  }

  /** @throws NOT_FOUND */
  async get(id: string): Promise<CompressionRequest> {
    const { sql, identity } = this.#context
    const values = [identity.tenant, check(requestIdInput, id, 'id')]
    const read = async (): Promise<RequestRow | undefined> => (await sql.query<RequestRow>(identity, SELECT_REQUEST, values)).rows[0]
    let row = await read()
    if (row !== undefined && row.completed_at === null && (await sql.query(identity, SETTLE_REQUESTS, values)).rowCount > 0) row = await read()
    if (row === undefined) throw requestNotFound(id)
    return toRequest(row)
  }

  /** Newest first. @throws AGENT_NOT_FOUND, INVALID_CURSOR */
  async list(filter: CompressionRequestFilter = {}): Promise<Page<CompressionRequest>> {
    const { limit: _limit, cursor: _cursor, ...rest } = filter
    const { status, agent } = check(requestFilterInput.strict(), rest, 'filter')
    const limit = pageLimit(filter)
    const before = decodeCursor('compression requests', filter.cursor, 1)?.[0]
    if (before !== undefined && typeof before !== 'string') throw new CairnError('INVALID_CURSOR', 'cursor: this is not a cursor of this list. Start again without a cursor.')
    const { sql, identity } = this.#context
    const agentId = agent === undefined ? null : await existingAgent(this.#context, agent)
    await sql.query(identity, SETTLE_REQUESTS, [identity.tenant, null])
    const { rows } = await sql.query<RequestRow>(identity, LIST_REQUESTS, [identity.tenant, before ?? null, status ?? null, agentId, limit + 1])
    return toPage('compression requests', rows.map(toRequest), limit, (item) => [item.id])
  }

  /** What a completed request made, verified. @throws NOT_FOUND, INVALID_TRANSITION while there is none, CONSISTENCY_VIOLATION */
  async output(id: string): Promise<Uint8Array> {
    const { sql, identity } = this.#context
    const { rows } = await sql.query<{ status: string; output: Uint8Array | null; output_sha256: string }>(identity, SELECT_OUTPUT, [identity.tenant, check(requestIdInput, id, 'id')])
    const [row] = rows
    if (row === undefined) throw requestNotFound(id)
    if (row.output === null) {
      throw new CairnError('INVALID_TRANSITION', `Compression request ${id} is ${row.status} and has no output. Wait until it is completed.`, { details: { id, status: row.status, allowed: ['completed'] } })
    }
    if (sha256(row.output).toString('hex') !== row.output_sha256) {
      throw new CairnError('CONSISTENCY_VIOLATION', `The output of compression request ${id} is not what was stored: its SHA-256 differs. Restore it from a backup, or make the request again.`, { details: { id } })
    }
    return row.output
  }

  /** Resolves when it has ended. TIMEOUT after `timeoutMs` (default 60,000). @throws NOT_FOUND, TIMEOUT */
  async wait(id: string, options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {}): Promise<CompressionRequest> {
    const now = await this.get(id)
    if (now.completedAt !== null) return now
    await this.#tasks.wait(taskKey(id), options)
    return this.get(id)
  }

  /** Ends a request that has not ended; one that runs has no result. Ended already: as it is. @throws NOT_FOUND */
  async cancel(id: string): Promise<CompressionRequest> {
    const { sql, identity } = this.#context
    const found = await this.get(id)
    if (found.completedAt !== null) return found
    await sql.query(identity, CANCEL_REQUEST, [identity.tenant, id])
    await this.#cancelTask(id)
    return this.get(id)
  }

  /** Removes the request with its bytes; its task is cancelled. False when there is none. Threads that name it name none then. */
  async delete(id: string): Promise<boolean> {
    const { sql, identity } = this.#context
    const { rowCount } = await sql.query(identity, DELETE_REQUEST, [identity.tenant, check(requestIdInput, id, 'id')])
    if (rowCount > 0) await this.#cancelTask(id)
    return rowCount > 0
  }

  async #cancelTask(id: string): Promise<void> {
    try {
      await this.#tasks.cancel(taskKey(id), { reason: 'compression request cancelled' })
    } catch (error) {
      if (!isCairnError(error, 'INVALID_TRANSITION') && !isCairnError(error, 'TASK_NOT_FOUND')) throw error
    }
  }

  async #checkAgent(agentId: string, algorithm: CompressionAlgorithmId): Promise<void> {
    const { sql, identity } = this.#context
    const { rows } = await sql.query<{ algorithm_id: string }>(identity, AGENT_ALGORITHMS, [identity.tenant, agentId])
    const known = rows.map((row) => row.algorithm_id)
    if (known.length > 0 && !known.includes(algorithm)) {
      throw new CairnError('INVALID_ARGUMENT', `algorithm: the agent ${agentId} takes ${known.join(', ')}, not ${algorithm}.`, { details: { field: 'algorithm', known } })
    }
  }
}

export function taskKey(requestId: string): string {
  return `compression/${requestId}`
}

export function requestNotFound(id: string): CairnError {
  return new CairnError('NOT_FOUND', `compression request: no compression request ${JSON.stringify(id)} in this tenant. Check the id; list what exists.`, { details: { thing: 'compression request', id } })
}
