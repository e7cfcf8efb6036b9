import * as z from 'zod'
import { type Page, type PageOptions, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import { check, invalid, uuidText } from '../../checks/index.ts'
import { CairnError } from '../../errors/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { MemoryBlocksService } from './blocks-service.ts'
import { archiveMemory, changeMemory, unarchiveMemory } from './change-memory.ts'
import { LIST_VERSIONS, REINFORCE, SWEEP_TENANT_MEMORIES, USER_SUMMARIES } from './change-queries.ts'
import { conflictShape, findConflicts, settleConflicts, supersede } from './conflicts.ts'
import { consolidate, unconsolidate } from './consolidate.ts'
import { forgetOne, forgetUser, forgetWhere } from './forget.ts'
import { MAX_BATCH_BYTES, MAX_BATCH_MEMORIES, checkChanges, checkFilter, checkNewMemory, userIdText } from './input.ts'
import { listMemories } from './list-memories.ts'
import { findMemory, memoryNotFound, oneStatement, requireMemory } from './memory-context.ts'
import { linkMemories, listRelated, unlinkMemories } from './memory-links.ts'
import { type MemorySettings, memorySettings } from './memory-settings.ts'
import { GET_MEMORIES, NEIGHBOURS } from './memory-queries.ts'
import { rememberAll } from './remember.ts'
import { MemoryRetentionService } from './retention-service.ts'
import type {
  ConflictOptions,
  ConsolidateOptions,
  Consolidated,
  ForgottenUser,
  Memory,
  MemoryChangeOptions,
  MemoryConflict,
  MemoryFields,
  MemoryFilter,
  MemoryLink,
  MemoryListOptions,
  MemoryVersion,
  NewMemory,
  RelatedMemory,
  RelatedOptions,
  Remembered,
  RememberOptions,
  RetainOptions,
  RetentionReport,
  UserMemorySummary,
} from './types.ts'

const SWEEP_BATCH = 1000

const ids = z.array(uuidText).max(MAX_BATCH_MEMORIES)
const reach = z.number().int().min(0).max(100).default(1)
const neighbourOptions = z.strictObject({ before: reach, after: reach })
const changeOptions = z.strictObject({ ifVersion: z.number().int().min(1).optional() })
const rememberOptions = z.strictObject({ ...conflictShape, conflicts: z.enum(['ignore', 'link', 'supersede']).default('ignore') })

/**
 * What agents remember for long. Wherever a memory is asked for, its id or its key may be given; what has expired is not there.
 * Errors of all methods besides those named: INVALID_ARGUMENT with `details.field`, and those of the SQL engine. Source: S3 §6.
 */
export class MemoryService {
  /** Named texts of bounded size that an agent keeps before its eyes. */
  readonly blocks: MemoryBlocksService
  /** What retention keeps, archives and deletes, and why. */
  readonly retention: MemoryRetentionService
  readonly #context: DomainContext

  constructor(context: DomainContext, settings: MemorySettings = memorySettings(undefined)) {
    this.#context = context
    this.blocks = new MemoryBlocksService(context)
    this.retention = new MemoryRetentionService(context, settings.retention)
  }

  /**
   * Stores a memory once: under its key, or else by its owner and words (docs/reference/memory.md has the rule). Words that come again
   * count as a mention, and come out of the archive. With `conflicts`, what stands against it is then linked or superseded; if this
   * process dies before, remembering it again makes up for that. PAYLOAD_TOO_LARGE, SERIALIZATION_ERROR, AGENT_NOT_FOUND, NOT_FOUND (the
   * parent), DUPLICATE_KEY when the key names other content, and what `detect` throws.
   */
  async remember(memory: NewMemory, options: RememberOptions = {}): Promise<Remembered> {
    const checked = checkNewMemory(memory)
    const { conflicts } = check(rememberOptions, options, 'options')
    const [result] = (await rememberAll(this.#context, [checked])) as [Remembered]
    if (conflicts === 'ignore') return result
    const { conflicts: _how, ...how } = options
    return { ...result, conflicts: await settleConflicts(this.#context, result.id, conflicts, how) }
  }

  /** Up to 5000 and 64 MiB, all or nothing; results in the order given. Errors as `remember`. */
  async rememberMany(memories: readonly NewMemory[]): Promise<Remembered[]> {
    if (!Array.isArray(memories) || memories.length > MAX_BATCH_MEMORIES) throw invalid('memories', `must be an array of up to ${MAX_BATCH_MEMORIES}`)
    const checked = memories.map((memory: NewMemory, index) => checkNewMemory(memory, `memories.${index}.`))
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

  /**
   * Changes what is given, and keeps what it was as a version; a change that changes nothing makes none. NOT_FOUND, VERSION_CONFLICT,
   * DEPENDENCY_CYCLE (parents), DUPLICATE_KEY when another memory has these words, PAYLOAD_TOO_LARGE, SERIALIZATION_ERROR.
   */
  async update(memory: string, changes: Partial<MemoryFields>, options: MemoryChangeOptions = {}): Promise<Memory> {
    return changeMemory(this.#context, memory, checkChanges(changes), check(changeOptions, options, 'options').ifVersion)
  }

  /** What it was before its changes, newest first. NOT_FOUND, INVALID_CURSOR. */
  async versions(memory: string, options: PageOptions = {}): Promise<Page<MemoryVersion>> {
    const limit = pageLimit(options)
    const below = decodeCursor('memory:versions', options.cursor, 1)?.[0] ?? null
    const session = oneStatement(this.#context)
    const { id } = await requireMemory(this.#context, session, memory)
    const { rows } = await session.query<MemoryVersion>(LIST_VERSIONS, [this.#context.identity.tenant, id, below, limit + 1])
    return toPage('memory:versions', rows, limit, ({ version }) => [version])
  }

  /** Puts it out of the way of `list` and recall; nothing happens when it is there already. NOT_FOUND, VERSION_CONFLICT. */
  async archive(memory: string, options: MemoryChangeOptions = {}): Promise<Memory> {
    return archiveMemory(this.#context, memory, 'request', check(changeOptions, options, 'options').ifVersion)
  }

  /** One that was superseded is in use again, and no longer linked as superseded. NOT_FOUND, VERSION_CONFLICT. */
  async unarchive(memory: string, options: MemoryChangeOptions = {}): Promise<Memory> {
    return unarchiveMemory(this.#context, memory, check(changeOptions, options, 'options').ifVersion)
  }

  /** From then on it is not there any more, and is deleted soon after. INVALID_ARGUMENT for a permanent one. NOT_FOUND. @default now */
  async expire(memory: string, at: Date | string = new Date(), options: MemoryChangeOptions = {}): Promise<void> {
    await this.update(memory, { expiresAt: at }, options)
  }

  /** These were of use now: their relevance decays from here, and retention counts from here. How many there are. No version is made. */
  async reinforce(memoryIds: readonly string[]): Promise<number> {
    const { sql, identity } = this.#context
    return (await sql.query(identity, REINFORCE, [identity.tenant, check(ids, memoryIds, 'memoryIds')])).rowCount
  }

  /**
   * Deletes it, with its versions, links and whatever was indexed of it, and undoes consolidations that hold its words. Whether there was
   * one.
   */
  forget(memory: string): Promise<boolean> {
    return forgetOne(this.#context, memory)
  }

  /** The same for all that fit, archived ones too unless the filter says otherwise; how many. INVALID_ARGUMENT without a condition. */
  async forgetWhere(filter: MemoryFilter): Promise<number> {
    return forgetWhere(this.#context, checkFilter(filter))
  }

  /** Deletes all that is a user's: memories of every scope, their versions and links, and blocks. */
  async forgetUser(userId: string): Promise<ForgottenUser> {
    return forgetUser(this.#context, check(userIdText, userId, 'userId'))
  }

  /** Stores a directed link once; false when there was the same one. `supersedes` and `consolidates` are made by Cairn alone. NOT_FOUND. */
  link(from: string, to: string, relation: string, options: { readonly metadata?: MemoryLink['metadata'] } = {}): Promise<boolean> {
    return linkMemories(this.#context, from, to, relation, options)
  }

  /** Whether there was one. NOT_FOUND. */
  unlink(from: string, to: string, relation: string): Promise<boolean> {
    return unlinkMemories(this.#context, from, to, relation)
  }

  /** What it is linked with, in both directions unless asked otherwise. NOT_FOUND, INVALID_CURSOR. */
  related(memory: string, options: RelatedOptions = {}): Promise<Page<RelatedMemory>> {
    return listRelated(this.#context, memory, options)
  }

  /** Memories of the same owner that say the same or cannot hold beside it, most alike first. NOT_FOUND, and what `detect` throws. */
  conflicts(memory: string, options: ConflictOptions = {}): Promise<MemoryConflict[]> {
    return findConflicts(this.#context, memory, options)
  }

  /** `keep` supersedes the others: they go to the archive, linked, and are not deleted; those that went there now. NOT_FOUND. */
  resolve({ keep, supersede: losers }: { readonly keep: string; readonly supersede: readonly string[] }): Promise<Memory[]> {
    return supersede(this.#context, keep, losers)
  }

  /**
   * One memory out of 2 to 500 of one owner, which go to the archive, linked from it: all or nothing. NOT_FOUND, VERSION_CONFLICT when one was
   * changed meanwhile, INVALID_TRANSITION when one is archived, and what `summarize` throws.
   */
  consolidate(memoryIds: readonly string[], options: ConsolidateOptions = {}): Promise<Consolidated> {
    return consolidate(this.#context, memoryIds, options)
  }

  /** Undoes `consolidate`; gives back the originals, which are in use again. NOT_FOUND, INVALID_TRANSITION. */
  unconsolidate(memory: string): Promise<Memory[]> {
    return unconsolidate(this.#context, memory)
  }

  /** A pass of retention; see `retention`. */
  retain(options: RetainOptions = {}): Promise<RetentionReport> {
    return this.retention.run(options)
  }

  /** Statistics of one user's memories; undefined when there are none. */
  async userSummary(userId: string): Promise<UserMemorySummary | undefined> {
    const { sql, identity } = this.#context
    return (await sql.query<UserMemorySummary>(identity, USER_SUMMARIES, [identity.tenant, check(userIdText, userId, 'userId'), null, 1])).rows[0]
  }

  /** Of all users with memories, by user. INVALID_CURSOR. */
  async userSummaries(options: PageOptions = {}): Promise<Page<UserMemorySummary>> {
    const limit = pageLimit(options)
    const after = decodeCursor('memory:users', options.cursor, 1)?.[0] ?? null
    const { sql, identity } = this.#context
    const { rows } = await sql.query<UserMemorySummary>(identity, USER_SUMMARIES, [identity.tenant, null, after, limit + 1])
    return toPage('memory:users', rows, limit, ({ userId }) => [userId])
  }

  /** Deletes the tenant's expired memories, which nobody sees any more; how many. An open Cairn does so for all tenants every minute. */
  async sweep(): Promise<number> {
    const { sql, identity } = this.#context
    for (let swept = 0; ; ) {
      const { rowCount } = await sql.query(identity, SWEEP_TENANT_MEMORIES, [identity.tenant, SWEEP_BATCH])
      swept += rowCount
      if (rowCount < SWEEP_BATCH) return swept
    }
  }
}
