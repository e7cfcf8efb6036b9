import { contentHash } from '../../embedding/index.ts'
import { canonicalJson } from '../../state/index.ts'
import { agentNotFound, existingAgents, resolveAgentId } from '../agents/index.ts'
import { FactWriter } from './fact-writer.ts'
import { factText, valueText } from './fact-text.ts'
import { vectorsFor } from './fact-vectors.ts'
import { type CheckedEvidence, type CheckedFact, refOf, valueOf } from './input.ts'
import { type KnownEntities, findEntities, lockEntities } from './names.ts'
import { factOf } from './rows.ts'
import { type SpaceContext, changeSpace } from './space-context.ts'
import type { Given, Statement } from './timeline.ts'
import type { AssertedFact, EntityName } from './types.ts'
import { UNKNOWN_TYPE } from './words.ts'

type Ref = ReturnType<typeof refOf>

/** A fact as it was given, before its entities are known. */
export interface PreparedFact {
  readonly entity: Ref
  readonly predicate: string
  readonly object: Ref | undefined
  readonly value: ReturnType<typeof valueOf> | undefined
  readonly given: Omit<Given, 'statement'>
}

/** Agents by what they were called: id or key. AGENT_NOT_FOUND. */
export async function agentsOf(context: SpaceContext, evidence: readonly (CheckedEvidence | undefined)[]): Promise<Map<string, string>> {
  const ids = new Map<string, string>()
  for (const agent of new Set(evidence.flatMap((each) => each?.agent ?? []))) ids.set(agent, await resolveAgentId(context, agent, 'evidence.agent'))
  const existing = await existingAgents(context, [...ids.values()])
  for (const [agent, id] of ids) if (!existing.has(id)) throw agentNotFound(context, agent)
  return ids
}

/** Evidence as it is stored. Its key covers the time that was said, too: one source may tell of two times. */
export function evidenceOf(given: CheckedEvidence | undefined, confidence: number, agents: ReadonlyMap<string, string>, times: readonly (number | undefined)[] = []): Given['evidence'] {
  const { agent, messages = [], memories = [], text = null, source = null } = given ?? {}
  const agentId = agent === undefined ? null : (agents.get(agent) as string)
  const said = { agentId, messages, memories, text, source }
  const empty = agentId === null && messages.length === 0 && memories.length === 0 && text === null && source === null
  return { ...said, confidence, key: empty ? null : contentHash(canonicalJson({ ...said, times: times.map((each) => each ?? null) })) }
}

export function prepared(fact: CheckedFact, agents: ReadonlyMap<string, string>): PreparedFact {
  const { predicate, confidence, validFrom, validUntil } = fact
  return {
    entity: refOf(fact.entity),
    predicate,
    object: fact.object === undefined ? undefined : refOf(fact.object),
    value: fact.object === undefined ? valueOf(fact.value, 'value') : undefined,
    given: { from: validFrom, until: validUntil, confidence, evidence: evidenceOf(fact.evidence, confidence, agents, [validFrom, validUntil]) },
  }
}

/** Which entities these facts name. */
export function wantedBy(refs: readonly (Ref | undefined)[]): { names: Map<string, string | null>; ids: Set<string>; defaultType: string } {
  const names = new Map<string, string | null>()
  const ids = new Set<string>()
  for (const ref of refs) {
    if (ref === undefined) continue
    if ('id' in ref) ids.add(ref.id)
    else names.set(ref.name, names.get(ref.name) ?? ref.type ?? null)
  }
  return { names, ids, defaultType: UNKNOWN_TYPE }
}

export function statementOf(entity: EntityName, predicate: string, object: EntityName | undefined, value: PreparedFact['value']): Statement {
  if (object !== undefined) return { hash: `entity/${object.id}`, objectType: 'entity', value: {}, objectEntityId: object.id, content: factText(entity.name, predicate, object.name), folded: null }
  const { hash, objectType, value: stored } = value as NonNullable<PreparedFact['value']>
  return { hash, objectType, value: stored, objectEntityId: null, content: factText(entity.name, predicate, valueText(stored)), folded: null }
}

/** See KnowledgeSpace.assert. */
export async function assertFacts(context: SpaceContext, facts: readonly CheckedFact[]): Promise<AssertedFact[]> {
  if (facts.length === 0) return []
  const agents = await agentsOf(context, facts.map(({ evidence }) => evidence))
  const given = facts.map((fact) => prepared(fact, agents))
  const wanted = wantedBy(given.flatMap(({ entity, object }) => [entity, object]))
  const vectors = await embeddedBefore(context, given, wanted)
  return changeSpace(context, async (session) => {
    const entities = await lockEntities(context, session, wanted)
    const statements = given.map(({ entity, object, predicate, value, given }) => {
      const subject = entities.get(entity) as EntityName
      const other = object === undefined ? undefined : (entities.get(object) as EntityName)
      return { subject, other, predicate, given: { ...given, statement: statementOf(subject, predicate, other, value) } }
    })
    const needs = statements.map(({ subject, predicate, given }) => ({ entityId: subject.id, predicate, hash: given.statement.hash, key: given.evidence.key }))
    const writer = await FactWriter.open(context, session, needs)
    const done = statements.map(({ subject, other, predicate, given }) => ({ subject, other, predicate, ...writer.timeline(subject.id, predicate).assert(given) }))
    await writer.write(vectors)
    return done.map(({ subject, other, predicate, row, isNew }) => ({
      fact: factOf(context.space, subject, other, predicate, writer.timeline(subject.id, predicate).functional, row),
      isNew,
      embedding: row.stored || context.embedder === undefined ? 'none' : vectors?.has(contentHash(row.content)) === true ? 'done' : 'pending',
    }))
  })
}

/** Before the transaction, which an embedder must not hold up; so by the names that entities have now. */
async function embeddedBefore(context: SpaceContext, given: readonly PreparedFact[], wanted: ReturnType<typeof wantedBy>): Promise<Awaited<ReturnType<typeof vectorsFor>>> {
  if (context.embedder === undefined) return undefined
  const found: KnownEntities = await findEntities(context, wanted)
  const named = (ref: Ref): EntityName => found.get(ref) ?? { id: '', name: 'name' in ref ? ref.name : ref.id, type: null }
  const texts = given.map(({ entity, object, predicate, value }) => statementOf(named(entity), predicate, object === undefined ? undefined : named(object), value).content)
  return vectorsFor(context, [...new Set(texts)])
}
