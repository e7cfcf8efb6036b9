import { uuidv7 } from '../../ids/index.ts'
import type * as z from 'zod'
import { CairnError } from '../../errors/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { statementOf } from './assert-facts.ts'
import { factText } from './fact-text.ts'
import { FactWriter, type Need } from './fact-writer.ts'
import type { addedObservations, deletedObservations, deletedRelations, graphEntities, graphRelations } from './graph-input.ts'
import { valueOf } from './input.ts'
import { DESCRIBE_ENTITIES, UNLIST_ENTITIES } from './knowledge-queries.ts'
import { type KnownEntities, lockEntities, lockWithPointing } from './names.ts'
import { type SpaceContext, changeSpace } from './space-context.ts'
import type { Given, Statement, Timeline } from './timeline.ts'
import type { EntityName } from './types.ts'
import { OBSERVATION } from './words.ts'

type Entities = z.output<typeof graphEntities>
type Relations = z.output<typeof graphRelations>

const unnamed = (names: Iterable<string>): { names: Map<string, null>; ids: string[] } => ({ names: new Map([...names].map((name) => [name, null])), ids: [] })

function observed(entity: EntityName, said: string): Statement {
  const { hash, objectType, value } = valueOf(said, 'observations')
  return { hash, objectType, value, objectEntityId: null, content: factText(entity.name, OBSERVATION, said), folded: said.toLowerCase() }
}

/** From now on. */
const since = (statement: Statement): Given => ({
  statement, from: undefined, until: undefined, confidence: 1, evidence: { key: null, agentId: null, messages: [], memories: [], text: null, source: null, confidence: 1 },
})

/** See KnowledgeGraph.createEntities. */
export function createEntities(context: SpaceContext, given: Entities): Promise<Entities> {
  return changeSpace(context, async (session) => {
    const known = await lockEntities(context, session, unnamed(given.map(({ name }) => name)))
    const fresh = new Map<string, Entities[number]>()
    for (const entity of given) {
      const { id, type } = known.byName.get(entity.name) as EntityName
      if (type === null && !fresh.has(id)) fresh.set(id, { ...entity, observations: [...new Set(entity.observations)] })
    }
    if (fresh.size === 0) return []
    const told = [...fresh].map(([id, { entityType }]) => ({ id, type: entityType, folded: entityType.toLowerCase(), listed: uuidv7() }))
    await session.query(DESCRIBE_ENTITIES, [context.identity.tenant, JSON.stringify(told)], { name: 'knowledge_describe' })
    const statements = [...fresh].flatMap(([id, { observations }]) => observations.map((said) => ({ id, statement: observed(known.byId.get(id) as EntityName, said) })))
    await assertAll(context, session, statements.map(({ id, statement }) => ({ entityId: id, predicate: OBSERVATION, statement })))
    return [...fresh.values()]
  })
}

/** See KnowledgeGraph.createRelations. */
export function createRelations(context: SpaceContext, given: Relations): Promise<Relations> {
  return changeSpace(context, async (session) => {
    const known = await lockEntities(context, session, unnamed(given.flatMap(({ from, to }) => [from, to])))
    const statements = given.map(({ from, to, relationType }) => {
      const subject = known.byName.get(from) as EntityName
      return { entityId: subject.id, predicate: relationType, statement: statementOf(subject, relationType, known.byName.get(to), undefined) }
    })
    const isNew = await assertAll(context, session, statements)
    return given.filter((_, index) => isNew[index])
  })
}

/** See KnowledgeGraph.addObservations. */
export function addObservations(context: SpaceContext, given: z.output<typeof addedObservations>): Promise<{ entityName: string; addedObservations: string[] }[]> {
  return changeSpace(context, async (session) => {
    const known = await lockEntities(context, session, unnamed(given.map(({ entityName }) => entityName)), false)
    const missing = given.find(({ entityName }) => (known.byName.get(entityName)?.type ?? null) === null)
    if (missing !== undefined) throw new CairnError('NOT_FOUND', `Entity with name ${missing.entityName} not found`, { details: { entity: missing.entityName, space: context.space } })
    const statements = given.flatMap(({ entityName, contents }, index) => {
      const entity = known.byName.get(entityName) as EntityName
      return contents.map((said) => ({ index, said, entityId: entity.id, predicate: OBSERVATION, statement: observed(entity, said) }))
    })
    const isNew = await assertAll(context, session, statements)
    const added = statements.filter((_, index) => isNew[index])
    return given.map(({ entityName }, index) => ({ entityName, addedObservations: added.filter((each) => each.index === index).map(({ said }) => said) }))
  })
}

interface Assertion {
  readonly entityId: string
  readonly predicate: string
  readonly statement: Statement
}

async function assertAll(context: SpaceContext, session: SqlSession, all: readonly Assertion[]): Promise<boolean[]> {
  if (all.length === 0) return []
  const writer = await FactWriter.open(context, session, all.map(({ entityId, predicate, statement }): Need => ({ entityId, predicate, hash: statement.hash })))
  const isNew = all.map(({ entityId, predicate, statement }) => writer.timeline(entityId, predicate).assert(since(statement)).isNew)
  await writer.write()
  return isNew
}

/** See KnowledgeGraph.deleteEntities. */
export function deleteEntities(context: SpaceContext, names: readonly string[]): Promise<void> {
  return changeSpace(context, async (session) => {
    const { known, rows: loaded } = await lockWithPointing(context, session, unnamed(names))
    const ids = [...new Set([...known.byName.values()].map(({ id }) => id))]
    if (ids.length === 0) return
    const writer = await FactWriter.open(context, session, [], loaded)
    for (const { id, entityId, predicate } of loaded) endNow(writer.timeline(entityId, predicate), (row) => row.id === id)
    await writer.write()
    await session.query(UNLIST_ENTITIES, [context.identity.tenant, ids])
  })
}

/** See KnowledgeGraph.deleteObservations. */
export function deleteObservations(context: SpaceContext, given: z.output<typeof deletedObservations>): Promise<void> {
  return endAll(context, given.map(({ entityName }) => entityName), (known) =>
    given.flatMap(({ entityName, observations }) => {
      const entity = known.byName.get(entityName)
      return entity === undefined ? [] : observations.map((said) => ({ entityId: entity.id, predicate: OBSERVATION, hash: observed(entity, said).hash }))
    }),
  )
}

/** See KnowledgeGraph.deleteRelations. */
export function deleteRelations(context: SpaceContext, given: z.output<typeof deletedRelations>): Promise<void> {
  return endAll(context, given.flatMap(({ from, to }) => [from, to]), (known) =>
    given.flatMap(({ from, to, relationType }) => {
      const [subject, object] = [known.byName.get(from), known.byName.get(to)]
      return subject === undefined || object === undefined ? [] : [{ entityId: subject.id, predicate: relationType, hash: `entity/${object.id}` }]
    }),
  )
}

function endAll(context: SpaceContext, names: readonly string[], which: (known: KnownEntities) => { entityId: string; predicate: string; hash: string }[]): Promise<void> {
  return changeSpace(context, async (session) => {
    const needs = which(await lockEntities(context, session, unnamed(names), false))
    if (needs.length === 0) return
    const writer = await FactWriter.open(context, session, needs)
    for (const { entityId, predicate, hash } of needs) endNow(writer.timeline(entityId, predicate), (row) => row.hash === hash)
    await writer.write()
  })
}

/** What holds now ends now; what would begin later never does. What is over stays as it was. */
function endNow(timeline: Timeline, which: (row: Timeline['rows'][number]) => boolean): void {
  for (const row of timeline.believed.filter(which)) {
    if (row.from > timeline.latest) timeline.end(row, 'retracted', null)
    else timeline.invalidate(row, undefined, null)
  }
}
