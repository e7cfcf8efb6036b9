import * as z from 'zod'
import { check, invalid, jsonObject, jsonText, text } from '../../checks/index.ts'
import { type Page, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { DELETE_LINK, INSERT_LINK, LIST_RELATED } from './change-queries.ts'
import { oneStatement, requireMemory } from './memory-context.ts'
import type { Memory, MemoryLink, RelatedMemory, RelatedOptions } from './types.ts'

/** Made by resolve and consolidate alone, for what they mean is also in the archive. */
const KEPT_BY_CAIRN = new Set(['supersedes', 'consolidates'])

const relationName = text(1, 50).refine((value) => /^[a-z][a-z0-9_-]*$/.test(value), 'must begin with a-z and have nothing but a-z, 0-9, _ and -')
const linkOptions = z.strictObject({ metadata: jsonObject.default({}) })
const relatedOptions = z.strictObject({ relation: relationName.optional(), direction: z.enum(['out', 'in']).optional(), limit: z.number().optional(), cursor: z.string().optional() })

/** Stores a link once; false when there was the same one. */
export async function linkMemories(context: DomainContext, from: string, to: string, relation: string, options: { readonly metadata?: MemoryLink['metadata'] }): Promise<boolean> {
  const name = checkRelation(relation)
  const { metadata } = check(linkOptions, options, 'options')
  const json = jsonText('metadata', metadata)
  const [fromId, toId] = await bothIds(context, from, to)
  if (fromId === toId) throw invalid('to', 'is the same memory')
  const { rows } = await context.sql.query(context.identity, INSERT_LINK, [context.identity.tenant, fromId, toId, name, json])
  return rows.length > 0
}

export async function unlinkMemories(context: DomainContext, from: string, to: string, relation: string): Promise<boolean> {
  const name = checkRelation(relation)
  const [fromId, toId] = await bothIds(context, from, to)
  return (await context.sql.query(context.identity, DELETE_LINK, [context.identity.tenant, fromId, toId, name])).rowCount > 0
}

export async function listRelated(context: DomainContext, memory: string, options: RelatedOptions): Promise<Page<RelatedMemory>> {
  const { relation, direction, cursor } = check(relatedOptions, options, 'options')
  const limit = pageLimit(options)
  const [other, afterRelation, afterDirection] = decodeCursor('memory:related', cursor, 3) ?? [null, null, null]
  const session = oneStatement(context)
  const { id } = await requireMemory(context, session, memory)
  const values = [context.identity.tenant, id, relation ?? null, direction ?? null, other, afterRelation, afterDirection, limit + 1]
  const { rows } = await session.query<Memory & { relation: string; direction: 'out' | 'in'; linkMetadata: Record<string, unknown> }>(LIST_RELATED, values)
  const items = rows.map(({ relation: name, direction: way, linkMetadata, ...rest }): RelatedMemory => ({ relation: name, direction: way, metadata: linkMetadata, memory: rest }))
  return toPage('memory:related', items, limit, (item) => [item.memory.id, item.relation, item.direction])
}

function checkRelation(relation: string): string {
  const name = check(relationName, relation, 'relation')
  if (KEPT_BY_CAIRN.has(name)) throw invalid('relation', `${name} is made by memory.resolve or memory.consolidate alone`)
  return name
}

async function bothIds(context: DomainContext, from: string, to: string): Promise<[string, string]> {
  const session = oneStatement(context)
  return [(await requireMemory(context, session, from)).id, (await requireMemory(context, session, to)).id]
}
