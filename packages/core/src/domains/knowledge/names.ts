import { uuidv7 } from '../../ids/index.ts'
import { check, isUuid } from '../../checks/index.ts'
import { CairnError } from '../../errors/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { entityOrName } from './input.ts'
import { DESCRIBE_ENTITIES, FIND_ENTITIES, LOAD_ROWS_OF, LOCK_ENTITIES, MAKE_ENTITIES } from './knowledge-queries.ts'
import type { LoadedRow } from './rows.ts'
import { type SpaceContext, noSuchEntity } from './space-context.ts'
import type { EntityName } from './types.ts'

interface FoundRow extends EntityName {
  readonly saidAs: string
  readonly mergedInto?: string | null
}

/** Entities as they were asked for. */
export class KnownEntities {
  readonly byName = new Map<string, EntityName>()
  readonly byId = new Map<string, EntityName>()

  get(asked: { readonly id: string } | { readonly name: string }): EntityName | undefined {
    return 'id' in asked ? this.byId.get(asked.id) : this.byName.get(asked.name)
  }
}

export interface Wanted {
  /** Names with the type that is said of them; null: none is. */
  readonly names: ReadonlyMap<string, string | null>
  /** Of those that are made without one; null: they are only mentioned. */
  readonly defaultType?: string | null
  readonly ids: Iterable<string>
  /** More, if they still exist. */
  readonly also?: readonly string[]
}

function known(rows: readonly FoundRow[], names: ReadonlySet<string>): KnownEntities {
  const found = new KnownEntities()
  for (const { id, name, type, saidAs } of rows) {
    const entity = { id, name, type }
    found.byId.set(id, entity)
    if (names.has(saidAs)) found.byName.set(saidAs, entity)
  }
  return found
}

/** What exists of these, without locks; one statement. */
export async function findEntities({ sql, identity, space }: SpaceContext, wanted: Wanted): Promise<KnownEntities> {
  const names = [...wanted.names.keys()]
  const { rows } = await sql.query<FoundRow>(identity, FIND_ENTITIES, [identity.tenant, space, names, [...wanted.ids]], { name: 'knowledge_find' })
  return known(rows.filter(({ mergedInto }) => mergedInto === null), new Set(names))
}

/**
 * Makes those that do not exist and locks all until the end of the transaction. Everything that writes facts does this first and once, so that
 * writers of the same entities come one after the other, in the order of ids. NOT_FOUND for an id that does not exist.
 */
export async function lockEntities(context: SpaceContext, session: SqlSession, wanted: Wanted, make = true): Promise<KnownEntities> {
  const { identity, space } = context
  const names = [...wanted.names.keys()].sort()
  const ids = [...new Set(wanted.ids)]
  for (let tries = 0; ; tries++) {
    if (make && names.length > 0) {
      const made = names.map((name) => {
        const type = wanted.names.get(name) ?? wanted.defaultType ?? null
        return { id: uuidv7(), name, folded: name.toLowerCase(), type, typeFolded: type?.toLowerCase() ?? null, listed: type === null ? null : uuidv7() }
      })
      await session.query(MAKE_ENTITIES, [identity.tenant, space, JSON.stringify(made)], { name: 'knowledge_make' })
    }
    const { rows } = await session.query<FoundRow>(LOCK_ENTITIES, [identity.tenant, space, names, [...ids, ...(wanted.also ?? [])]], { name: 'knowledge_lock' })
    const found = known(rows, new Set(names))
    const lost = ids.find((id) => !found.byId.has(id))
    if (lost !== undefined) throw noSuchEntity(context, lost)
    // One that is missing all the same was merged or forgotten between the two statements.
    if (!make || names.every((name) => found.byName.has(name))) return describe(context, session, wanted, found)
    if (tries === 4) throw new CairnError('SERIALIZATION_FAILURE', `The entities ${JSON.stringify(names.slice(0, 5))} are merged or forgotten by somebody all the time. Try again.`)
  }
}

/** An entity that was only mentioned gets the type that is now said of it. */
async function describe({ identity }: SpaceContext, session: SqlSession, wanted: Wanted, found: KnownEntities): Promise<KnownEntities> {
  const told = [...found.byName].flatMap(([name, { id, type }]) => {
    const given = wanted.names.get(name) ?? null
    return type === null && given !== null ? [{ id, type: given, folded: given.toLowerCase(), listed: uuidv7() }] : []
  })
  if (told.length === 0) return found
  await session.query(DESCRIBE_ENTITIES, [identity.tenant, JSON.stringify(told)], { name: 'knowledge_describe' })
  for (const [name, entity] of found.byName) {
    const type = told.find(({ id }) => id === entity.id)?.type
    if (type === undefined) continue
    found.byName.set(name, { ...entity, type })
    found.byId.set(entity.id, { ...entity, type })
  }
  return found
}

/**
 * Locks these and all that point to them, and gives their believed rows: those about them, and those that point to them. What points to them
 * changes with them, so that it is locked in the same statement as they are.
 */
export async function lockWithPointing(context: SpaceContext, session: SqlSession, wanted: Wanted): Promise<{ known: KnownEntities; rows: LoadedRow[] }> {
  const { identity, space } = context
  const load = async (ids: readonly string[]): Promise<LoadedRow[]> => (await session.query<LoadedRow>(LOAD_ROWS_OF, [identity.tenant, ids, true])).rows
  const before = (await session.query<FoundRow>(FIND_ENTITIES, [identity.tenant, space, [...wanted.names.keys()], [...wanted.ids]], { name: 'knowledge_find' })).rows.map(({ id }) => id)
  const pointing = [...new Set((await load(before)).map(({ entityId }) => entityId))].filter((id) => !before.includes(id))
  const known = await lockEntities(context, session, { ...wanted, also: pointing }, false)
  const ids = [...new Set([...[...known.byName.values()].map(({ id }) => id), ...wanted.ids])]
  const rows = await load(ids)
  // Came in between. Once it is locked, none can come any more.
  const late = [...new Set(rows.map(({ entityId }) => entityId))].filter((id) => !known.byId.has(id))
  if (late.length === 0) return { known, rows }
  await lockEntities(context, session, { names: new Map(), ids: late }, false)
  return { known, rows: await load(ids) }
}

/** The id behind an id or a name. An id of an entity that was merged away stays what it is: rows of former times are under it. NOT_FOUND. */
export async function entityId(context: SpaceContext, idOrName: string, field = 'entity'): Promise<string> {
  const asked = check(entityOrName, idOrName, field)
  const { sql, identity, space } = context
  const uuid = isUuid(asked) ? asked.toLowerCase() : undefined
  const values = [identity.tenant, space, uuid === undefined ? [asked] : [], uuid === undefined ? [] : [uuid]]
  const found = (await sql.query<FoundRow>(identity, FIND_ENTITIES, values, { name: 'knowledge_find' })).rows[0]
  if (found === undefined) throw noSuchEntity(context, asked)
  return found.id
}
