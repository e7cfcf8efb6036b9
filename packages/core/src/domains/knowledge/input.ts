import * as z from 'zod'
import { check, invalid, isUuid, jsonText, text, uuidText } from '../../checks/index.ts'
import { type Embedder, contentHash } from '../../embedding/index.ts'
import { canonicalJson } from '../../state/index.ts'
import { BUILTIN_RULE_NAMES } from './builtin-rules.ts'
import type { EntityRef, FactExtractor, NewFact } from './types.ts'
import { DEFAULT_SPACE, type ObjectType } from './words.ts'

export const MAX_BATCH_FACTS = 1000
const MAX_VALUE_BYTES = 65_536
const FIRST_MS = Date.parse('0001-01-01T00:00:00Z')
const LAST_MS = Date.UTC(9999, 0, 1)

export const time = z.union([z.date(), z.iso.datetime({ offset: true }), z.iso.date()], 'is not a Date or a time with its offset (2026-03-29T02:30:00Z)').transform((value, context) => {
  const at = new Date(value).getTime()
  if (!(at >= FIRST_MS && at < LAST_MS)) context.addIssue('is not a time from the year 1 to 9999')
  return at
})

export const entityName = text(1, 255)
export const entityType = text(1, 100)
const plainName = entityName.refine((value) => !isUuid(value), 'must not have the form of a UUID: it could be taken for an id')
export const predicateName = text(1, 255).refine((value) => !value.startsWith('@'), "must not begin with @, which marks Cairn's own predicates")
export const entityOrName = entityName
const entityRef = z.union([entityName, z.strictObject({ name: plainName, type: entityType.optional() })], 'is not an id, a name, or an object with a name')
const confidence = z.number().min(0).max(1)
const note = text(0, 1000)
const ids = z.array(uuidText).max(100)
const embedder = z.custom<Embedder>((value) => {
  const { model, dimensions, embed } = (value ?? {}) as Partial<Embedder>
  return typeof model === 'string' && model !== '' && model.length <= 100 && Number.isInteger(dimensions) && (dimensions as number) >= 1 && typeof embed === 'function'
}, 'must have a model of at most 100 characters, whole dimensions and embed()')

export const spaceOptions = z.strictObject({
  space: text(1, 128).default(DEFAULT_SPACE),
  embedder: embedder.optional(),
  embedderVersion: text(1, 20).default('1'),
})

export const newEntity = z.strictObject({ name: plainName, type: entityType, aliases: z.array(plainName).max(100).default([]) })

const evidence = z.strictObject({
  agent: text(1, 255).optional(),
  messages: ids.default([]),
  memories: ids.default([]),
  text: text(0, 4000).optional(),
  source: text(0, 1000).optional(),
})
export type CheckedEvidence = z.output<typeof evidence>

const hasOneObject = (fact: { value?: unknown; object?: unknown }): boolean => (fact.value === undefined) !== (fact.object === undefined)
const value = z.unknown().refine((given) => given !== null, 'is null, which says nothing: retract the fact, or leave it out')

const triple = {
  entity: entityRef,
  predicate: predicateName,
  value: value.optional(),
  object: entityRef.optional(),
  confidence: confidence.default(1),
  validFrom: time.optional(),
  validUntil: time.optional(),
}
const oneObject = { error: 'give either a value, or an object that is an entity', path: ['value'] }
const endsLater = ({ validFrom, validUntil }: { validFrom?: number | undefined; validUntil?: number | undefined }): boolean => validFrom === undefined || validUntil === undefined || validUntil > validFrom
const later = { error: 'is not after validFrom', path: ['validUntil'] }

export const newFact = z.strictObject({ ...triple, evidence: evidence.optional() }).refine(hasOneObject, oneObject).refine(endsLater, later)
/** What a function read out of a text: the evidence is that text. */
export const extractedFact = z.strictObject(triple).refine(hasOneObject, oneObject).refine(endsLater, later)
export type CheckedFact = z.output<typeof newFact>

export const newFacts = z.array(newFact).max(MAX_BATCH_FACTS)

export const correction = z
  .strictObject({
    value: value.optional(),
    object: entityRef.optional(),
    confidence: confidence.optional(),
    evidence: evidence.optional(),
    validFrom: time.optional(),
    validUntil: time.nullable().optional(),
    note: note.optional(),
  })
  .refine((given) => given.value === undefined || given.object === undefined, { error: 'give either a value, or an object that is an entity', path: ['value'] })
  .refine(({ note: _, ...rest }) => Object.values(rest).some((each) => each !== undefined), 'says nothing to correct')

export const endOptions = z.strictObject({ at: time.optional(), note: note.optional() })
export const retractOptions = z.strictObject({ note: note.optional() })
export const mergeOptions = z.strictObject({ note: note.optional() })

const asOf = z.strictObject({ valid: time.optional(), recorded: time.optional() })
const page = { limit: z.number().optional(), cursor: z.string().optional() }
const shared = {
  entity: entityOrName.optional(),
  object: entityOrName.optional(),
  predicate: text(1, 255).optional(),
  minConfidence: confidence.optional(),
  asOf: asOf.optional(),
  anyTime: z.boolean().default(false),
}
export const factFilter = z.strictObject({ ...shared, contains: z.unknown().optional(), sourceAgent: text(1, 255).optional(), ...page })
export const searchOptions = z.strictObject({ ...shared, query: text(1, 10_000), mode: z.enum(['text', 'vector', 'hybrid']).optional(), ...page })
export const historyOptions = z.strictObject({ entity: entityOrName, predicate: text(1, 255).optional(), ...page })
export const entityFilter = z.strictObject({ type: entityType.optional(), prefix: text(0, 255).optional(), mentioned: z.boolean().default(false), ...page })

const walk = {
  direction: z.enum(['out', 'in', 'both']).default('both'),
  predicates: z.array(text(1, 255)).min(1).max(100).optional(),
  asOf: asOf.optional(),
}
export const neighbourhoodOptions = z.strictObject({ ...walk, depth: z.number().int().min(1).max(6).default(1), limit: z.number().int().min(1).max(1000).default(100) })
export const pathOptions = z.strictObject({ ...walk, maxDepth: z.number().int().min(1).max(8).default(4), limit: z.number().int().min(1).max(100).default(10) })
const rule = z.strictObject({
  name: text(1, 100),
  pattern: z.union([z.instanceof(RegExp), text(1, 2000)]),
  predicate: predicateName.optional(),
  entityType: entityType.optional(),
  object: z.enum(['entity', 'text', 'number']).default('text'),
  objectType: entityType.optional(),
  confidence: confidence.default(1),
})
export type CheckedRule = z.output<typeof rule>
const given = z.strictObject({ text: text(1, 1_000_000), evidence: evidence.optional(), validFrom: time.optional(), validUntil: time.optional() }).refine(endsLater, later)
export const ingestTexts = z.array(z.union([text(1, 1_000_000).transform((text) => ({ text, evidence: undefined, validFrom: undefined, validUntil: undefined })), given], 'is not a text, or an object with one')).max(1000)
export const ingestOptions = z.strictObject({
  rules: z.array(rule).max(200).default([]),
  builtin: z.union([z.boolean(), z.array(z.enum(BUILTIN_RULE_NAMES))]).optional(),
  extract: z.custom<FactExtractor>((value) => typeof value === 'function', 'must be a function').optional(),
})

export const declaration = z.strictObject({ predicate: predicateName, functional: z.boolean(), description: text(0, 1000).optional() })

/** The object of a fact as it is stored; `hash` is the same for the same value, however its JSON is written. */
export function valueOf(given: unknown, field: string): { objectType: Exclude<ObjectType, 'entity'>; value: unknown; hash: string } {
  jsonText(field, given, MAX_VALUE_BYTES)
  const json = canonicalJson(given)
  const stored = JSON.parse(json) as unknown
  if (stored === null) throw invalid(field, 'becomes null as JSON, which says nothing')
  const kind = typeof stored
  return { objectType: kind === 'string' ? 'text' : kind === 'number' ? 'number' : kind === 'boolean' ? 'boolean' : 'json', value: stored, hash: contentHash(json) }
}

/** Of facts in a list or one alone; INVALID_ARGUMENT, SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE. */
export function checkFacts(input: readonly NewFact[]): CheckedFact[] {
  return check(newFacts, input, 'facts')
}

/** A name that has the form of a UUID is an id. */
export function refOf(ref: EntityRef | { name: string; type?: string | undefined }): { id: string } | { name: string; type: string | undefined } {
  if (typeof ref !== 'string') return { name: ref.name, type: ref.type }
  return isUuid(ref) ? { id: ref.toLowerCase() } : { name: ref, type: undefined }
}
