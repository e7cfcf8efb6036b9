import type * as z from 'zod'
import { CairnError } from '../../errors/index.ts'
import { invalid } from '../../checks/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { agentsOf, evidenceOf, statementOf, wantedBy } from './assert-facts.ts'
import { FactWriter } from './fact-writer.ts'
import { vectorsFor } from './fact-vectors.ts'
import { type correction, refOf, valueOf } from './input.ts'
import { LOAD_ROW } from './knowledge-queries.ts'
import { findEntities, lockEntities } from './names.ts'
import { readFacts } from './read-facts.ts'
import type { LoadedRow } from './rows.ts'
import { type SpaceContext, changeSpace, noSuchFact } from './space-context.ts'
import type { Row, Statement, Timeline } from './timeline.ts'
import type { EntityName, Fact } from './types.ts'

interface Change {
  readonly writer: FactWriter
  readonly timeline: Timeline
  readonly row: Row
  readonly entity: EntityName
}

/** See KnowledgeSpace.correct. */
export async function correctFact(context: SpaceContext, id: string, patch: z.output<typeof correction>): Promise<Fact> {
  const agents = await agentsOf(context, [patch.evidence])
  const object = patch.object === undefined ? undefined : refOf(patch.object)
  const value = patch.value === undefined ? undefined : valueOf(patch.value, 'value')
  const old = (await readFacts(context, [id]))[0]
  if (old === undefined) throw noSuchFact(context, id)
  const said = await saidNow(context, old, object, value)
  const vectors = said === undefined ? undefined : await vectorsFor(context, [said])
  return change(context, id, [object], vectors, ({ timeline, row, entity }, others) => {
    const from = patch.validFrom ?? row.from
    const until = patch.validUntil === null ? Infinity : (patch.validUntil ?? row.until)
    if (until <= from) throw invalid('validUntil', `${new Date(until).toISOString()} is not after the beginning, ${new Date(from).toISOString()}`)
    const confidence = patch.confidence ?? row.confidence
    const other = object === undefined ? undefined : others[0]
    const statement: Statement = object === undefined && value === undefined ? row : statementOf(entity, old.predicate, other, value)
    const evidence = evidenceOf(patch.evidence, confidence, agents, [patch.validFrom, patch.validUntil ?? undefined])
    return timeline.correct(row, { statement, from, until, confidence, evidence }, patch.note ?? null)
  })
}

/** See KnowledgeSpace.invalidate. */
export async function invalidateFact(context: SpaceContext, id: string, at: number | undefined, note: string | undefined): Promise<Fact> {
  return change(context, id, [], undefined, ({ timeline, row }) => {
    if (at !== undefined && at <= row.from) throw invalid('at', `${new Date(at).toISOString()} is not after ${new Date(row.from).toISOString()}, when the fact begins to hold; retract it if it never did`)
    return timeline.invalidate(row, at, note ?? null) ?? row
  })
}

/** See KnowledgeSpace.retract. */
export async function retractFact(context: SpaceContext, id: string, note: string | undefined): Promise<Fact> {
  return change(context, id, [], undefined, ({ timeline, row }) => {
    timeline.end(row, 'retracted', note ?? null)
    return row
  })
}

async function change(
  context: SpaceContext,
  id: string,
  refs: readonly (ReturnType<typeof refOf> | undefined)[],
  vectors: Awaited<ReturnType<typeof vectorsFor>>,
  how: (what: Change, others: (EntityName | undefined)[]) => Row,
): Promise<Fact> {
  const changed = await changeSpace(context, async (session) => {
    const found = await loadRow(context, session, id)
    const wanted = wantedBy(refs)
    const entities = await lockEntities(context, session, { ...wanted, ids: [...wanted.ids, found.entityId] })
    const writer = await FactWriter.open(context, session, [{ entityId: found.entityId, predicate: found.predicate }])
    const timeline = writer.timeline(found.entityId, found.predicate)
    const row = timeline.believed.find((each) => each.id === id)
    if (row === undefined) throw await replaced(context, session, id)
    const put = how({ writer, timeline, row, entity: entities.byId.get(found.entityId) as EntityName }, refs.map((ref) => (ref === undefined ? undefined : entities.get(ref))))
    await writer.write(vectors)
    return put.id
  })
  return (await readFacts(context, [changed]))[0] as Fact
}

async function loadRow(context: SpaceContext, session: SqlSession, id: string): Promise<LoadedRow> {
  const found = (await session.query<LoadedRow>(LOAD_ROW, [context.identity.tenant, context.space, id], { name: 'knowledge_row' })).rows[0]
  if (found === undefined) throw noSuchFact(context, id)
  if (found.recordedUntil !== null) throw await replaced(context, session, id)
  return found
}

async function replaced(context: SpaceContext, session: SqlSession, id: string): Promise<CairnError> {
  const row = (await session.query<LoadedRow>(LOAD_ROW, [context.identity.tenant, context.space, id], { name: 'knowledge_row' })).rows[0]
  if (row === undefined) return noSuchFact(context, id)
  return new CairnError('VERSION_CONFLICT', `The fact ${id} is not believed any more: it was ${String(row.endedBy)} at ${row.recordedUntil?.toISOString()}. knowledge.history shows what became of it.`, {
    details: { fact: id, origin: row.originId, endedBy: row.endedBy },
  })
}

/** What the corrected fact will say, by the names of now; undefined when it says the same as before. */
async function saidNow(context: SpaceContext, old: Fact, object: ReturnType<typeof refOf> | undefined, value: ReturnType<typeof valueOf> | undefined): Promise<string | undefined> {
  if (context.embedder === undefined || (object === undefined && value === undefined)) return undefined
  const other = object === undefined ? undefined : ((await findEntities(context, wantedBy([object]))).get(object) ?? { id: '', name: 'name' in object ? object.name : object.id, type: null })
  return statementOf(old.entity, old.predicate, other, value).content
}
