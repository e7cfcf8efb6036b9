import * as z from 'zod'
import type { Page } from '../../paging/index.ts'
import { check, invalid } from '../../checks/index.ts'
import { CairnError } from '../../errors/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { MAX_BATCH_BYTES, MAX_BATCH_MEMORIES, checkNewMemory } from './input.ts'
import { listMemories } from './list-memories.ts'
import { findMemory, memoryNotFound, oneStatement, requireMemory } from './memory-context.ts'
import { GET_MEMORIES, NEIGHBOURS } from './memory-queries.ts'
import { rememberAll } from './remember.ts'
import type { Memory, MemoryListOptions, NewMemory, Remembered } from './types.ts'
import { uuidText } from '../../checks/index.ts'

const ids = z.array(uuidText).max(MAX_BATCH_MEMORIES)
const reach = z.number().int().min(0).max(100).default(1)
const neighbourOptions = z.strictObject({ before: reach, after: reach })

/**
 * What agents remember for long. Wherever a memory is asked for, its id or its key may be given; what has expired is not there.
 * Errors of all methods besides those named: INVALID_ARGUMENT with `details.field`, and those of the SQL engine. Source: S3 §6.
 */
export class MemoryService {
  readonly #context: DomainContext

  constructor(context: DomainContext) {
    this.#context = context
  }

  /**
   * Stores a memory once: under its key, or else by its owner and words (docs/reference/memory.md has the rule). Words that come again
   * count as a mention, and come out of the archive. PAYLOAD_TOO_LARGE, SERIALIZATION_ERROR, AGENT_NOT_FOUND, NOT_FOUND (the parent),
   * DUPLICATE_KEY when the key names other content.
   */
  async remember(memory: NewMemory): Promise<Remembered> {
    const [result] = await rememberAll(this.#context, [checkNewMemory(memory)])
    return result as Remembered
  }

  /** Up to 5000 and 64 MiB, all or nothing; results in the order given. Errors as `remember`. */
  async rememberMany(memories: readonly NewMemory[]): Promise<Remembered[]> {
    if (!Array.isArray(memories) || memories.length > MAX_BATCH_MEMORIES) throw invalid('memories', `must be an array of up to ${MAX_BATCH_MEMORIES}`)
    const checked = memories.map((memory: NewMemory, index) => checkNewMemory(memory, `memories.${index}`))
    const bytes = checked.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0)
    if (bytes > MAX_BATCH_BYTES) {
      throw new CairnError('PAYLOAD_TOO_LARGE', `memories: ${bytes} bytes of content are more than the limit of ${MAX_BATCH_BYTES}. Use several calls.`, { details: { field: 'memories', bytes, limit: MAX_BATCH_BYTES } })
    }
    return rememberAll(this.#context, checked)
  }

  /** NOT_FOUND. */
  async get(memory: string): Promise<Memory> {
    const found = await this.find(memory)
    if (found === undefined) throw memoryNotFound(memory)
    return found
  }

  /** Undefined when there is none. */
  find(memory: string): Promise<Memory | undefined> {
    return findMemory(this.#context, oneStatement(this.#context), memory)
  }

  /** Of these ids (up to 5000) the memories that exist, in the order given. One statement. */
  async getMany(memoryIds: readonly string[]): Promise<Memory[]> {
    const wanted = check(ids, memoryIds, 'memoryIds')
    const { sql, identity } = this.#context
    const { rows } = await sql.query<Memory>(identity, GET_MEMORIES, [identity.tenant, wanted], { name: 'memory_get' })
    const found = new Map(rows.map((row) => [row.id, row]))
    return wanted.flatMap((id) => found.get(id) ?? [])
  }

  /** Those that fit the filter and are not archived, oldest first unless asked otherwise. INVALID_CURSOR, AGENT_NOT_FOUND. */
  list(options: MemoryListOptions = {}): Promise<Page<Memory>> {
    return listMemories(this.#context, options)
  }

  /** What was remembered next to it in its session, by position, without itself; empty when it has no position. 0..100 a side. NOT_FOUND. */
  async neighbours(memory: string, options: { readonly before?: number; readonly after?: number } = {}): Promise<Memory[]> {
    const { before, after } = check(neighbourOptions, options, 'options')
    const session = oneStatement(this.#context)
    const { sessionId, position } = await requireMemory(this.#context, session, memory)
    if (sessionId === null || position === null) return []
    return (await session.query<Memory>(NEIGHBOURS, [this.#context.identity.tenant, sessionId, position, before, after])).rows
  }
}
