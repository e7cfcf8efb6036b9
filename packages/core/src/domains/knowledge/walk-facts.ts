import type * as z from 'zod'
import type { SqlSession } from '../../engines/sql/index.ts'
import type { neighbourhoodOptions, pathOptions } from './input.ts'
import { FACTS_BY_ID } from './knowledge-queries.ts'
import { entityId } from './names.ts'
import { type FactRow, toFact } from './rows.ts'
import type { SpaceContext } from './space-context.ts'
import type { EntityName, Fact, KnowledgePath, KnowledgePaths, Neighbour, Neighbourhood } from './types.ts'
import { NAME_OF, NEIGHBOURHOOD, RELATIONS_AMONG, RELATIONS_OF } from './walk-queries.ts'

/** Steps of a walk, and relations that a search for paths reads, at most. */
const MOST_STEPS = 50_000
const FACTS_PER_ENTITY = 10

type Walk = Pick<z.output<typeof pathOptions>, 'asOf' | 'direction' | 'predicates'>

function relationValues({ identity, space }: SpaceContext, { asOf, predicates }: Walk): unknown[] {
  const dateOf = (ms: number | undefined): Date | null => (ms === undefined ? null : new Date(ms))
  return [identity.tenant, space, dateOf(asOf?.valid), dateOf(asOf?.recorded), false, predicates ?? null]
}

/** All statements of one walk see the same moment. */
function atOnce<T>({ sql, identity }: SpaceContext, work: (session: SqlSession) => Promise<T>): Promise<T> {
  return sql.transaction(identity, work, { isolation: 'repeatable read', readOnly: true, attempts: 3 })
}

async function factsOf({ identity, space }: SpaceContext, session: SqlSession, ids: readonly string[], recorded: number | undefined): Promise<Map<string, Fact>> {
  if (ids.length === 0) return new Map()
  const { rows } = await session.query<FactRow>(FACTS_BY_ID, [identity.tenant, space, ids])
  return new Map(rows.map((row) => [row.id, toFact(row, recorded)]))
}

/** See KnowledgeSpace.neighbourhood. */
export async function neighbourhoodOf(context: SpaceContext, entity: string, options: z.output<typeof neighbourhoodOptions>): Promise<Neighbourhood> {
  const start = await entityId(context, entity)
  const { direction, depth, limit, asOf } = options
  const values = relationValues(context, options)
  return atOnce(context, async (session) => {
    const found = await session.query<Neighbour & { steps: number }>(NEIGHBOURHOOD, [...values, start, depth, direction !== 'in', direction !== 'out', MOST_STEPS, limit + 1])
    const entities = found.rows.slice(0, limit).map(({ id, name, type, depth }) => ({ id, name, type, depth }))
    const most = limit * FACTS_PER_ENTITY
    const { rows } = await session.query<{ id: string }>(RELATIONS_AMONG, [...values, entities.map(({ id }) => id), most + 1])
    const facts = await factsOf(context, session, rows.slice(0, most).map(({ id }) => id), asOf?.recorded)
    return { entities, facts: [...facts.values()].sort((a, b) => (a.id < b.id ? -1 : 1)), truncated: found.rows.length > limit || rows.length > most || (found.rows[0]?.steps ?? 0) >= MOST_STEPS }
  })
}

interface Relation {
  readonly id: string
  readonly from: string
  readonly to: string
}

/** See KnowledgeSpace.paths. From both ends, the smaller side first, so that hubs in the middle cost little. */
export async function pathsBetween(context: SpaceContext, from: string, to: string, options: z.output<typeof pathOptions>): Promise<KnowledgePaths> {
  const [start, goal] = [await entityId(context, from, 'from'), await entityId(context, to, 'to')]
  const { direction, maxDepth, limit, asOf } = options
  const values = relationValues(context, options)
  return atOnce(context, async (session) => {
    const relations = new Map<string, Relation>()
    const sides = [
      { seen: new Set([start]), out: direction !== 'in', in: direction !== 'out' },
      { seen: new Set([goal]), out: direction !== 'out', in: direction !== 'in' },
    ] as const
    const edges: [string[], string[]] = [[start], [goal]]
    let truncated = false
    let length = start === goal ? 0 : undefined
    for (let step = 1; length === undefined && step <= maxDepth; step++) {
      const side = edges[0].length <= edges[1].length ? 0 : 1
      const { seen, out, in: into } = sides[side]
      const edge = edges[side]
      if (edge.length === 0) break
      const { rows } = await session.query<Relation>(RELATIONS_OF, [...values, edge, out, into, MOST_STEPS - relations.size + 1])
      const next = new Set<string>()
      const here = new Set(edge)
      for (const relation of rows) {
        if (relations.size >= MOST_STEPS) {
          truncated = true
          break
        }
        relations.set(relation.id, relation)
        if (out && here.has(relation.from) && !seen.has(relation.to)) next.add(relation.to)
        if (into && here.has(relation.to) && !seen.has(relation.from)) next.add(relation.from)
      }
      for (const id of next) seen.add(id)
      edges[side] = [...next]
      if ([...next].some((id) => sides[1 - side]?.seen.has(id))) length = step
      if (truncated) break
    }
    if (length === undefined) return { paths: [], truncated }
    const found = shortest([...relations.values()], start, goal, length, direction, limit + 1)
    const shown = found.slice(0, limit)
    const facts = await factsOf(context, session, [...new Set(shown.flat())], asOf?.recorded)
    const names = new Map([...facts.values()].flatMap(({ entity, object }) => [entity, ...(object === null ? [] : [object])]).map((name) => [name.id, name]))
    if (length === 0) names.set(start, await nameOf(context, session, start))
    return { paths: shown.map((ids) => pathOf(ids.map((id) => facts.get(id) as Fact), start, names)), truncated: truncated || found.length > limit }
  })
}

async function nameOf({ identity, space }: SpaceContext, session: SqlSession, id: string): Promise<EntityName> {
  const { rows } = await session.query<EntityName>(NAME_OF, [identity.tenant, space, id])
  return rows[0] as EntityName
}

/** The paths of exactly this length, as ids of relations, at most `limit`. Only entities that are on the way to the goal are entered. */
function shortest(relations: readonly Relation[], start: string, goal: string, length: number, direction: Walk['direction'], limit: number): string[][] {
  const steps = new Map<string, { id: string; other: string }[]>()
  const add = (from: string, step: { id: string; other: string }): void => void (steps.get(from) ?? steps.set(from, []).get(from))?.push(step)
  for (const { id, from, to } of relations) {
    if (direction !== 'in') add(from, { id, other: to })
    if (direction !== 'out' && from !== to) add(to, { id, other: from })
  }
  const left = distancesTo(goal, relations, direction)
  const paths: string[][] = []
  const walk = (at: string, path: string[]): void => {
    if (path.length === length) paths.push(path)
    else for (const { id, other } of steps.get(at) ?? []) if (paths.length < limit && left.get(other) === length - path.length - 1) walk(other, [...path, id])
  }
  walk(start, [])
  return paths
}

function distancesTo(goal: string, relations: readonly Relation[], direction: Walk['direction']): Map<string, number> {
  const back = new Map<string, Set<string>>()
  const add = (to: string, from: string): void => void (back.get(to) ?? back.set(to, new Set()).get(to))?.add(from)
  for (const { from, to } of relations) {
    if (direction !== 'in') add(to, from)
    if (direction !== 'out') add(from, to)
  }
  const distances = new Map([[goal, 0]])
  for (let edge = [goal], away = 1; edge.length > 0; away++) {
    const next = edge.flatMap((id) => [...(back.get(id) ?? [])]).filter((id) => !distances.has(id))
    for (const id of next) distances.set(id, away)
    edge = [...new Set(next)]
  }
  return distances
}

function pathOf(facts: readonly Fact[], start: string, names: ReadonlyMap<string, EntityName>): KnowledgePath {
  const entities = [names.get(start) as EntityName]
  for (const { entity, object } of facts) entities.push((entities.at(-1)?.id === entity.id ? object : entity) as EntityName)
  return { entities, facts }
}
