import type { GraphEntity, GraphRelation } from '@cairn/core'

/** A line that was left out. */
export interface LineProblem {
  readonly line: number
  readonly message: string
}

export interface McpMemory {
  /** By name; what several lines say of one is together. */
  readonly entities: readonly GraphEntity[]
  readonly relations: readonly GraphRelation[]
  readonly problems: readonly LineProblem[]
}

const MOST = { name: 255, entityType: 100, relationType: 255, observation: 20_000 }

/** The file of the reference memory server: a JSON object a line, `{"type":"entity",…}` or `{"type":"relation",…}`. Never throws. */
export function parseMcpMemory(text: string): McpMemory {
  const entities = new Map<string, GraphEntity>()
  const relations = new Map<string, GraphRelation>()
  const problems: LineProblem[] = []
  for (const [index, raw] of text.replace(/^\uFEFF/, '').split('\n').entries()) {
    if (raw.trim() === '') continue
    try {
      const item = objectOf(raw)
      if (item['type'] === 'entity') {
        const { name, entityType, observations } = entityOf(item)
        const known = entities.get(name)
        entities.set(name, { name, entityType: known?.entityType ?? entityType, observations: [...new Set([...(known?.observations ?? []), ...observations])] })
      } else if (item['type'] === 'relation') {
        const relation = relationOf(item)
        relations.set(JSON.stringify(relation), relation)
      } else throw new Error(`its type is ${JSON.stringify(item['type']) ?? 'missing'}, neither "entity" nor "relation"`)
    } catch (error) {
      problems.push({ line: index + 1, message: (error as Error).message })
    }
  }
  return { entities: [...entities.values()], relations: [...relations.values()], problems }
}

function objectOf(line: string): Record<string, unknown> {
  let item: unknown
  try {
    item = JSON.parse(line)
  } catch {
    throw new Error('it is not JSON')
  }
  if (typeof item !== 'object' || item === null || Array.isArray(item)) throw new Error('it is not a JSON object')
  return item as Record<string, unknown>
}

function entityOf(item: Record<string, unknown>): GraphEntity {
  const { observations } = item
  if (!Array.isArray(observations)) throw new Error('observations is not a list')
  return { name: textOf(item, 'name', 1, MOST.name), entityType: textOf(item, 'entityType', 1, MOST.entityType), observations: observations.map((said, index) => checked(said, `observations.${index}`, 0, MOST.observation)) }
}

function relationOf(item: Record<string, unknown>): GraphRelation {
  const relationType = textOf(item, 'relationType', 1, MOST.relationType)
  if (relationType.startsWith('@')) throw new Error("relationType begins with @, which marks Cairn's own predicates")
  return { from: textOf(item, 'from', 1, MOST.name), to: textOf(item, 'to', 1, MOST.name), relationType }
}

const textOf = (item: Record<string, unknown>, field: string, least: number, most: number): string => checked(item[field], field, least, most)

function checked(value: unknown, field: string, least: number, most: number): string {
  if (typeof value !== 'string') throw new Error(`${field} is not text`)
  if (value.length < least) throw new Error(`${field} is empty`)
  if (value.length > most) throw new Error(`${field} has ${value.length} characters, more than ${most}`)
  if (value.includes('\0') || !value.isWellFormed()) throw new Error(`${field} has U+0000 or a lone surrogate, which cannot be stored`)
  return value
}
