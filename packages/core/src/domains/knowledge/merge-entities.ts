import { invalid } from '../../checks/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { MARK_MERGED, MOVE_MERGED, MOVE_NAMES, NAMES_OF } from './entity-queries.ts'
import { currentId, getEntity } from './entities.ts'
import { factText, valueText } from './fact-text.ts'
import { FactWriter } from './fact-writer.ts'
import { lockWithPointing } from './names.ts'
import type { LoadedRow } from './rows.ts'
import { type SpaceContext, changeSpace } from './space-context.ts'
import type { Row, Statement } from './timeline.ts'
import type { EntityName, MergedEntities } from './types.ts'

/** See KnowledgeSpace.mergeEntities. */
export async function mergeEntities(context: SpaceContext, from: string, into: string, note: string | undefined): Promise<MergedEntities> {
  const { identity } = context
  const fromId = await currentId(context, from)
  const intoId = await currentId(context, into)
  if (fromId === intoId) throw invalid('into', `${JSON.stringify(into)} is the same entity as ${JSON.stringify(from)}`)
  const counts = await changeSpace(context, async (session) => {
    const { known, rows } = await lockWithPointing(context, session, { names: new Map(), ids: [fromId, intoId] })
    const loaded = rows.filter(({ entityId, objectEntityId }) => entityId === fromId || objectEntityId === fromId)
    const names = await namesOf(context, session, loaded)
    const target = known.byId.get(intoId) as EntityName
    const subjectOf = (id: string): EntityName => (id === fromId ? target : (names.get(id) as EntityName))
    const needs = loaded.flatMap(({ entityId, predicate }) => [{ entityId, predicate }, { entityId: subjectOf(entityId).id, predicate }])
    const writer = await FactWriter.open(context, session, needs)
    let moved = 0
    let dropped = 0
    for (const { id, entityId, predicate } of loaded) {
      const timeline = writer.timeline(entityId, predicate)
      const row = timeline.believed.find((each) => each.id === id)
      if (row === undefined) continue
      timeline.end(row, 'merged', note ?? null)
      const subject = subjectOf(entityId)
      const objectId = row.objectEntityId === fromId ? intoId : row.objectEntityId
      // What the two had with each other says nothing of one.
      const added = objectId === subject.id && row.objectEntityId !== entityId ? [] : writer.timeline(subject.id, predicate).adopt(row, said(row, subject, predicate, objectId, objectId === intoId ? target.name : names.get(objectId ?? '')?.name))
      if (added.length === 0) dropped++
      moved += added.length
    }
    await writer.write()
    await session.query(MOVE_NAMES, [identity.tenant, fromId, intoId])
    await session.query(MOVE_MERGED, [identity.tenant, fromId, intoId])
    await session.query(MARK_MERGED, [identity.tenant, fromId, intoId, note ?? null])
    return { moved, dropped }
  })
  return { entity: await getEntity(context, intoId), ...counts }
}

function said(row: Row, subject: EntityName, predicate: string, objectId: string | null, objectName: string | undefined): Statement {
  const content = factText(subject.name, predicate, objectId === null ? valueText(row.value) : (objectName ?? ''))
  return { hash: objectId === null ? row.hash : `entity/${objectId}`, objectType: row.objectType, value: row.value, objectEntityId: objectId, content, folded: row.folded }
}

async function namesOf({ identity }: SpaceContext, session: SqlSession, loaded: readonly LoadedRow[]): Promise<Map<string, EntityName>> {
  const ids = [...new Set(loaded.flatMap(({ entityId, objectEntityId }) => [entityId, ...(objectEntityId === null ? [] : [objectEntityId])]))]
  const { rows } = await session.query<EntityName>(NAMES_OF, [identity.tenant, ids])
  return new Map(rows.map((entity) => [entity.id, entity]))
}
