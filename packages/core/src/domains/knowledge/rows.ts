import type { Row, StoredEvidence } from './timeline.ts'
import type { EntityName, Fact, FactEvidence } from './types.ts'
import type { FactEnding, ObjectType } from './words.ts'

/** A fact as FACTS_BY_ID and FACT_HISTORY read it. */
export interface FactRow {
  readonly id: string
  readonly originId: string
  readonly space: string
  readonly entityId: string
  readonly entityName: string
  readonly entityType: string | null
  readonly predicate: string
  readonly objectType: ObjectType
  readonly value: unknown
  readonly objectId: string | null
  readonly objectName: string | null
  readonly objectEntityType: string | null
  readonly functional: boolean
  readonly confidence: number
  readonly evidence: StoredEvidence[]
  readonly sourceAgentId: string | null
  readonly validFrom: Date
  readonly validUntil: Date | null
  readonly recordedFrom: Date
  readonly recordedUntil: Date | null
  readonly endedBy: FactEnding | null
  readonly endNote: string | null
  readonly content: string
}

/** `recorded`: evidence that came later is left out. */
export function toFact(row: FactRow, recorded?: number): Fact {
  const { entityId, entityName, entityType, objectId, objectName, objectEntityType, evidence, value, ...rest } = row
  return {
    ...rest,
    entity: { id: entityId, name: entityName, type: entityType },
    object: objectId === null ? null : { id: objectId, name: objectName as string, type: objectEntityType },
    value: objectId === null ? value : objectName,
    evidence: evidence.filter(({ at }) => recorded === undefined || Date.parse(at) <= recorded).map(toEvidence),
  }
}

/** The same of a row that a change has just made. */
export function factOf(space: string, entity: EntityName, object: EntityName | undefined, predicate: string, functional: boolean, row: Row): Fact {
  const { id, originId, objectType, confidence, sourceAgentId, endedBy, endNote, content } = row
  return {
    id, originId, space, entity, predicate, objectType, value: object?.name ?? row.value, object: object ?? null, functional, confidence,
    evidence: row.evidence.map(toEvidence), sourceAgentId, validFrom: new Date(row.from), validUntil: dateOrNull(row.until),
    recordedFrom: new Date(row.recordedFrom), recordedUntil: row.recordedUntil === null ? null : new Date(row.recordedUntil), endedBy, endNote, content,
  }
}

function toEvidence({ agentId, messages, memories, text, source, confidence, at }: StoredEvidence): FactEvidence {
  return { agentId, messages, memories, text, source, confidence, recordedAt: new Date(at) }
}

export function dateOrNull(ms: number): Date | null {
  return ms === Infinity ? null : new Date(ms)
}

/** A row as LOAD_ROWS reads it. */
export interface LoadedRow extends Omit<Row, 'from' | 'until' | 'recordedFrom' | 'recordedUntil' | 'stored' | 'copyOf'> {
  readonly entityId: string
  readonly predicate: string
  readonly functional: boolean
  readonly validFrom: Date
  readonly validUntil: Date | null
  readonly recordedFrom: Date
  readonly recordedUntil: Date | null
}

export function toRow(loaded: LoadedRow): Row {
  const { entityId: _entity, predicate: _predicate, functional: _functional, validFrom, validUntil, recordedFrom, recordedUntil, ...rest } = loaded
  return {
    ...rest, from: validFrom.getTime(), until: validUntil?.getTime() ?? Infinity, recordedFrom: recordedFrom.getTime(), recordedUntil: recordedUntil?.getTime() ?? null,
    stored: true, copyOf: null,
  }
}
