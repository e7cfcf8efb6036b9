import type * as z from 'zod'
import { uuidv7 } from '../../ids/index.ts'
import { checkUuid, isUuid } from '../../checks/index.ts'
import { CairnError } from '../../errors/index.ts'
import { type Page, decodeCursor, pageLimit, toPage } from '../../paging/index.ts'
import { ADD_NAMES, DELETE_ENTITY, FORGET_ENTITY, GET_ENTITY, LIST_ENTITIES } from './entity-queries.ts'
import type { entityFilter, newEntity } from './input.ts'
import { DESCRIBE_ENTITIES, LOCK_ENTITIES, MAKE_ENTITIES } from './knowledge-queries.ts'
import { entityId, findEntities, lockEntities } from './names.ts'
import { type SpaceContext, changeSpace, noSuchEntity } from './space-context.ts'
import type { Entity, EntityName, ForgottenEntity } from './types.ts'

/** See KnowledgeSpace.addEntity. */
export async function addEntity(context: SpaceContext, { name, type, aliases }: z.output<typeof newEntity>): Promise<Entity> {
  const { identity, space } = context
  const id = await changeSpace(context, async (session) => {
    const row = { id: uuidv7(), name, folded: name.toLowerCase(), type, typeFolded: type.toLowerCase(), listed: uuidv7() }
    const { rowCount } = await session.query(MAKE_ENTITIES, [identity.tenant, space, JSON.stringify([row])], { name: 'knowledge_make' })
    const found = (await session.query<EntityName>(LOCK_ENTITIES, [identity.tenant, space, [name], []], { name: 'knowledge_lock' })).rows[0]
    if (found === undefined) throw noSuchEntity(context, name)
    // One that facts only mention becomes one that is described.
    if (rowCount === 0) {
      if (found.type !== null) throw taken(context, name)
      await session.query(DESCRIBE_ENTITIES, [identity.tenant, JSON.stringify([{ id: found.id, type, folded: type.toLowerCase(), listed: uuidv7() }])], { name: 'knowledge_describe' })
    }
    await addNames(context, session, found.id, aliases.filter((alias) => alias !== name))
    return found.id
  })
  return getEntity(context, id)
}

/** See KnowledgeSpace.addAliases. */
export async function addAliases(context: SpaceContext, entity: string, aliases: readonly string[]): Promise<Entity> {
  const id = await currentId(context, entity)
  await changeSpace(context, async (session) => {
    const { byId } = await lockEntities(context, session, { names: new Map(), ids: [id] }, false)
    await addNames(context, session, id, aliases.filter((alias) => alias !== byId.get(id)?.name))
  })
  return getEntity(context, id)
}

async function addNames(context: SpaceContext, session: Parameters<typeof lockEntities>[1], id: string, names: readonly string[]): Promise<void> {
  const unique = [...new Set(names)]
  if (unique.length === 0) return
  const { identity, space } = context
  const { rows } = await session.query<{ name: string }>(ADD_NAMES, [identity.tenant, space, unique, id])
  const added = new Set(rows.map(({ name }) => name))
  const others = unique.filter((name) => !added.has(name))
  if (others.length === 0) return
  const owners = (await session.query<{ id: string; saidAs: string }>(LOCK_ENTITIES, [identity.tenant, space, others, []], { name: 'knowledge_lock' })).rows
  const foreign = owners.find((owner) => owner.id !== id)
  if (foreign !== undefined) throw taken(context, foreign.saidAs)
}

export async function getEntity(context: SpaceContext, entity: string): Promise<Entity> {
  const { sql, identity, space } = context
  const id = isUuid(entity) ? entity.toLowerCase() : await currentId(context, entity)
  const found = (await sql.query<Entity>(identity, GET_ENTITY, [identity.tenant, space, id], { name: 'knowledge_entity' })).rows[0]
  if (found === undefined) throw noSuchEntity(context, entity)
  return found
}

/** Of an entity that was not merged away. NOT_FOUND. */
export async function currentId(context: SpaceContext, entity: string): Promise<string> {
  const id = await entityId(context, entity)
  const { byId } = await findEntities(context, { names: new Map(), ids: [checkUuid(id, 'entity')] })
  if (!byId.has(id)) throw noSuchEntity(context, entity)
  return id
}

/** See KnowledgeSpace.entities. */
export async function listEntities({ sql, identity, space }: SpaceContext, filter: z.output<typeof entityFilter>): Promise<Page<Entity>> {
  const limit = pageLimit(filter.limit === undefined ? {} : { limit: filter.limit })
  const after = decodeCursor('entities', filter.cursor, 1)?.[0] ?? null
  const values = [identity.tenant, space, filter.type ?? null, filter.prefix ?? null, filter.mentioned, after === null ? null : String(after), limit + 1]
  const { rows } = await sql.query<Entity>(identity, LIST_ENTITIES, values)
  return toPage('entities', rows, limit, ({ name }) => [name])
}

/** See KnowledgeSpace.forget. */
export async function forgetEntity(context: SpaceContext, entity: string): Promise<ForgottenEntity> {
  const { identity } = context
  const id = await currentId(context, entity)
  return changeSpace(context, async (session) => {
    await lockEntities(context, session, { names: new Map(), ids: [id] }, false)
    const counted = (await session.query<ForgottenEntity>(FORGET_ENTITY, [identity.tenant, id])).rows[0] as ForgottenEntity
    await session.query(DELETE_ENTITY, [identity.tenant, id])
    return counted
  })
}

function taken({ identity, space }: SpaceContext, name: string): CairnError {
  return new CairnError('DUPLICATE_KEY', `The name ${JSON.stringify(name)} means an entity already in the space ${JSON.stringify(space)} of tenant "${identity.tenant}". Use that one, give this one another name, or merge the two.`, { details: { name, space } })
}
