import { uuidv7 } from '../../ids/index.ts'
import * as z from 'zod'
import type { SqlSession } from '../../engines/sql/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { check, invalid, text } from '../../checks/index.ts'
import { type Page, type PageOptions, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import { agentNotFound, resolveAgentId } from '../agents/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { CHANGE_BLOCK, DELETE_BLOCK, GET_BLOCK, INSERT_BLOCK, LIST_BLOCKS, LIST_BLOCK_VERSIONS, LOCK_BLOCK } from './blocks-queries.ts'
import { userIdText } from './input.ts'
import type { MemoryBlock, MemoryBlockListOptions, MemoryBlockRef, MemoryBlockVersion, SetMemoryBlock } from './types.ts'

const DEFAULT_LIMIT = 2000
const MAX_LIMIT = 100_000

const owner = { userId: userIdText.optional(), agentId: text(1, 255).optional() }
const refSchema = z.strictObject({ label: text(1, 100), ...owner })
const version = z.number().int().min(0)
/** The size is checked against the block's limit, with an error of its own. */
const content = text(0, Number.MAX_SAFE_INTEGER)
const setSchema = z.strictObject({ content: content.optional(), limit: z.number().int().min(1).max(MAX_LIMIT).optional(), description: text(0, 1000).optional(), ifVersion: version.optional() })
const appendSchema = z.strictObject({ separator: text(0, 100).default('\n'), ifVersion: version.optional() })
const replaceSchema = z.strictObject({ ifVersion: version.optional() })
const listSchema = z.strictObject({ ...owner, scope: z.enum(['user', 'agent', 'shared']).optional(), limit: z.number().optional(), cursor: z.string().optional() })

/** What of a block is to be next. */
type Next = Pick<MemoryBlock, 'content' | 'limit' | 'description'>
type Place = readonly [tenant: string, scope: MemoryBlock['scope'], owner: string, label: string]

/**
 * Working memory: named texts of bounded size, of a user, of an agent, or shared. Each change makes a version; with `ifVersion` it is refused when somebody
 * was first. Errors of all methods besides those named: INVALID_ARGUMENT with `details.field`, AGENT_NOT_FOUND, and those of the SQL engine.
 */
export class MemoryBlocksService {
  readonly #context: DomainContext

  constructor(context: DomainContext) {
    this.#context = context
  }

  /** Makes a block, or changes what is given of it. PAYLOAD_TOO_LARGE when its text is longer than its limit; VERSION_CONFLICT. */
  async set(ref: MemoryBlockRef, block: SetMemoryBlock): Promise<MemoryBlock> {
    const place = await this.#place(ref)
    const { ifVersion, ...given } = check(setSchema, block, 'block')
    return this.#change(place, ifVersion, (current) => ({
      content: given.content ?? current?.content ?? '',
      limit: given.limit ?? current?.limit ?? DEFAULT_LIMIT,
      description: given.description ?? current?.description ?? '',
    }))
  }

  /** Adds at the end, after the separator unless the block is empty. NOT_FOUND, PAYLOAD_TOO_LARGE, VERSION_CONFLICT. @default separator: line feed */
  async append(ref: MemoryBlockRef, addition: string, options: { readonly separator?: string; readonly ifVersion?: number } = {}): Promise<MemoryBlock> {
    const place = await this.#place(ref)
    const { separator, ifVersion } = check(appendSchema, options, 'options')
    const added = check(content, addition, 'addition')
    return this.#change(place, ifVersion, (current) => {
      const { content: before, limit, description } = current ?? this.#missing(place)
      return { content: before === '' ? added : before + separator + added, limit, description }
    })
  }

  /** Puts `next` in place of `previous`, which the block must have exactly once: INVALID_ARGUMENT. NOT_FOUND, PAYLOAD_TOO_LARGE, VERSION_CONFLICT. */
  async replace(ref: MemoryBlockRef, previous: string, next: string, options: { readonly ifVersion?: number } = {}): Promise<MemoryBlock> {
    const place = await this.#place(ref)
    const { ifVersion } = check(replaceSchema, options, 'options')
    const [from, to] = [check(content.min(1), previous, 'previous'), check(content, next, 'next')]
    return this.#change(place, ifVersion, (current) => {
      const { content: before, limit, description } = current ?? this.#missing(place)
      const at = before.indexOf(from)
      if (at < 0) throw invalid('previous', 'is not in the block. Read the block and give the text exactly')
      if (before.includes(from, at + 1)) throw invalid('previous', 'is in the block more than once. Give more of the text around it')
      return { content: before.slice(0, at) + to + before.slice(at + from.length), limit, description }
    })
  }

  /** NOT_FOUND. */
  async get(ref: MemoryBlockRef): Promise<MemoryBlock> {
    return (await this.find(ref)) ?? this.#missing(await this.#place(ref))
  }

  /** Undefined when there is none. */
  async find(ref: MemoryBlockRef): Promise<MemoryBlock | undefined> {
    const { sql, identity } = this.#context
    return (await sql.query<MemoryBlock>(identity, GET_BLOCK, await this.#place(ref), { name: 'memory_block_get' })).rows[0]
  }

  /** By scope, owner and label. INVALID_CURSOR. */
  async list(options: MemoryBlockListOptions = {}): Promise<Page<MemoryBlock>> {
    const { userId, agentId, cursor, ...given } = check(listSchema, options, 'options')
    if (userId !== undefined && agentId !== undefined) throw invalid('agentId', 'and userId exclude each other: a block has one owner')
    const limit = pageLimit(options)
    const scope = given.scope ?? (userId === undefined ? (agentId === undefined ? null : 'agent') : 'user')
    const ownerId = userId ?? (agentId === undefined ? null : await resolveAgentId(this.#context, agentId))
    const after = decodeCursor('memory:blocks', cursor, 3) ?? [null, null, null]
    const { sql, identity } = this.#context
    const { rows } = await sql.query<MemoryBlock & { owner?: string }>(identity, LIST_BLOCKS, [identity.tenant, scope, ownerId, ...after, limit + 1])
    const page = toPage('memory:blocks', rows, limit, (row) => [row.scope, row.owner ?? '', row.label])
    return { ...page, items: page.items.map(({ owner: _owner, ...block }) => block) }
  }

  /** Earlier versions, newest first. NOT_FOUND, INVALID_CURSOR. */
  async versions(ref: MemoryBlockRef, options: PageOptions = {}): Promise<Page<MemoryBlockVersion>> {
    const limit = pageLimit(options)
    const below = decodeCursor('memory:block-versions', options.cursor, 1)?.[0] ?? null
    const { id } = await this.get(ref)
    const { sql, identity } = this.#context
    const { rows } = await sql.query<MemoryBlockVersion>(identity, LIST_BLOCK_VERSIONS, [identity.tenant, id, below, limit + 1])
    return toPage('memory:block-versions', rows, limit, (row) => [row.version])
  }

  /** With its versions; whether there was one. */
  async remove(ref: MemoryBlockRef): Promise<boolean> {
    const { sql, identity } = this.#context
    return (await sql.query(identity, DELETE_BLOCK, await this.#place(ref))).rowCount > 0
  }

  async #place(ref: MemoryBlockRef): Promise<Place> {
    const { label, userId, agentId } = check(refSchema, ref, 'block')
    const { tenant } = this.#context.identity
    if (userId !== undefined && agentId !== undefined) throw invalid('agentId', 'and userId exclude each other: a block has one owner')
    if (userId !== undefined) return [tenant, 'user', userId, label]
    return agentId === undefined ? [tenant, 'shared', '', label] : [tenant, 'agent', await resolveAgentId(this.#context, agentId), label]
  }

  async #change(place: Place, ifVersion: number | undefined, next: (current: MemoryBlock | undefined) => Next): Promise<MemoryBlock> {
    const { sql, identity } = this.#context
    try {
      return await sql.transaction(identity, (session) => this.#changeIn(session, place, ifVersion, next), { attempts: 3 })
    } catch (error) {
      if (isCairnError(error, 'CONSTRAINT_VIOLATION') && error.details['constraint'] === 'block_agent') throw agentNotFound(this.#context, place[2])
      throw error
    }
  }

  async #changeIn(session: SqlSession, place: Place, ifVersion: number | undefined, next: (current: MemoryBlock | undefined) => Next): Promise<MemoryBlock> {
    for (;;) {
      const current = (await session.query<MemoryBlock>(LOCK_BLOCK, place)).rows[0]
      if (ifVersion !== undefined && (current?.version ?? 0) !== ifVersion) throw conflict(place, current?.version ?? 0, ifVersion)
      const wanted = next(current)
      refuseTooLong(place, wanted)
      if (current === undefined) {
        const { rows } = await session.query<MemoryBlock>(INSERT_BLOCK, [...place, uuidv7(), wanted.content, wanted.limit, wanted.description])
        // Without a row, somebody made it in between.
        if (rows[0] !== undefined) return rows[0]
        continue
      }
      if (wanted.content === current.content && wanted.limit === current.limit && wanted.description === current.description) return current
      const { rows } = await session.query<MemoryBlock>(CHANGE_BLOCK, [place[0], current.id, wanted.content, wanted.limit, wanted.description])
      return rows[0] as MemoryBlock
    }
  }

  #missing([tenant, scope, ownerId, label]: Place): never {
    const whose = scope === 'shared' ? 'shared' : `of the ${scope} ${JSON.stringify(ownerId)}`
    throw new CairnError('NOT_FOUND', `block: no block ${JSON.stringify(label)} (${whose}) in tenant "${tenant}". Make it with memory.blocks.set.`, { details: { label, scope } })
  }
}

function refuseTooLong([, , , label]: Place, { content: text_, limit }: Next): void {
  // A character is one or two units of the string.
  const characters = text_.length <= limit ? text_.length : [...text_].length
  if (characters <= limit) return
  throw new CairnError('PAYLOAD_TOO_LARGE', `block ${JSON.stringify(label)}: ${characters} characters are more than its limit of ${limit}. Shorten it, or move a part to long-term memory.`, {
    details: { field: 'content', label, characters, limit },
  })
}

function conflict([, , , label]: Place, is: number, expected: number): CairnError {
  return new CairnError('VERSION_CONFLICT', `block ${JSON.stringify(label)}: version ${expected} was expected, but it has version ${is}. Read it again and apply the change to that.`, {
    details: { label, expected, version: is },
  })
}
