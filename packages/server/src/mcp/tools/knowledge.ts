import type { Fact } from '@cairn/core'
import { z } from 'zod'
import { EFFECTS } from '../define-tool.ts'
import { compact, cursor, defined, limit, nextCursor, pageOf } from '../schemas.ts'
import type { AddTool } from '../tool-sets.ts'

const FoundFact = z.looseObject({ id: z.string(), content: z.string() })
const entity = z.string().describe('Id or name')
const asOf = z.strictObject({ valid: z.string().optional(), recorded: z.string().optional() }).optional().describe('ISO 8601: when it holds, when it was believed')

/** What is known: facts about entities, in the time they hold and the time they were believed. */
export function knowledgeTools(add: AddTool): void {
  add({
    name: 'knowledge_add', description: 'Record facts, all or none: entity, predicate, and a value or the name of another entity (object).', effect: EFFECTS.addsOnce,
    input: z.strictObject({
      facts: z.array(z.strictObject({
        entity: z.string(), predicate: z.string(), value: z.unknown().optional(), object: z.string().optional(), confidence: z.number().min(0).max(1).optional(),
        validFrom: z.string().optional(), validUntil: z.string().optional(), source: z.string().optional(),
      })).min(1).max(100),
    }),
    output: z.looseObject({ items: z.array(z.looseObject({ id: z.string(), isNew: z.boolean() })) }),
    async run({ facts }, cairn) {
      const asserted = await cairn.knowledge.assertMany(facts.map(({ source, ...fact }) => ({ ...defined(fact), ...(source === undefined ? {} : { evidence: { source } }) })))
      return { structured: { items: asserted.map(({ fact, isNew }) => ({ ...short(fact), isNew })) } }
    },
  })
  add({
    name: 'knowledge_search', description: 'Facts by words, best first.', effect: EFFECTS.reads,
    input: z.strictObject({ query: z.string(), entity: entity.optional(), predicate: z.string().optional(), asOf, limit: limit(10), cursor }),
    output: z.looseObject({ items: z.array(FoundFact), nextCursor }),
    run: async (given, cairn) => ({ structured: pageOf(await cairn.knowledge.search(defined(given)), short) }),
  })
  add({
    name: 'knowledge_entity', description: 'An entity with what is known of it now: its facts, and the entities around it.', effect: EFFECTS.reads,
    input: z.strictObject({ entity, depth: z.int().min(1).max(6).default(1).describe('Relations away'), asOf, limit: limit(20, 200).describe('Of entities, and of facts') }),
    output: z.looseObject({ name: z.string(), facts: z.array(FoundFact), around: z.array(z.looseObject({ name: z.string(), depth: z.int() })) }),
    async run({ entity: which, depth, limit: most, asOf: at }, cairn) {
      const when = at === undefined ? {} : { asOf: defined(at) }
      const { id, name, type, aliases } = await cairn.knowledge.entity(which)
      const [own, near] = await Promise.all([cairn.knowledge.facts({ entity: id, limit: most, ...when }), cairn.knowledge.neighbourhood(id, { depth, limit: most, ...when })])
      const known = new Set(own.items.map((fact) => fact.id))
      const others = near.facts.filter((fact) => !known.has(fact.id))
      const around = near.entities.filter((other) => other.depth > 0).map((other) => compact({ name: other.name, type: other.type, depth: other.depth }))
      const isCut = own.nextCursor !== null || near.truncated || others.length > most
      const facts = [...own.items, ...others.slice(0, most)].map(short)
      return { structured: { ...compact({ id, name, type, aliases }), facts, around, ...(isCut ? { truncated: true } : {}) } }
    },
  })
  add({
    name: 'knowledge_history', description: 'Everything ever recorded of an entity, with when it held and when it was believed.', effect: EFFECTS.reads,
    input: z.strictObject({ entity, predicate: z.string().optional(), limit: limit(10), cursor }), output: z.looseObject({ items: z.array(FoundFact), nextCursor }),
    run: async (given, cairn) => ({
      structured: pageOf(await cairn.knowledge.history(defined(given)), (fact) => ({
        ...short(fact), ...compact({ recordedFrom: fact.recordedFrom.toISOString(), recordedUntil: fact.recordedUntil?.toISOString(), endedBy: fact.endedBy, endNote: fact.endNote }),
      })),
    }),
  })
  add({
    name: 'knowledge_end', description: 'A fact does not hold any more (ended), or never did (wrong). It stays in the history.', effect: EFFECTS.overwrites,
    input: z.strictObject({ fact: z.string().describe('Id'), how: z.enum(['ended', 'wrong']), at: z.string().optional().describe('When it ended, default now'), note: z.string().optional() }),
    output: FoundFact,
    run: async ({ fact, how, at, note }, { knowledge }) => ({
      structured: short(how === 'ended' ? await knowledge.invalidate(fact, defined({ at, note })) : await knowledge.retract(fact, defined({ note }))),
    }),
  })
}

function short({ id, content, entity: subject, predicate, value, confidence, validFrom, validUntil, evidence }: Fact): Record<string, unknown> {
  const sources = [...new Set(evidence.flatMap(({ source }) => source ?? []))]
  const rest = { confidence: confidence === 1 ? null : confidence, validFrom: validFrom.toISOString(), validUntil: validUntil?.toISOString(), sources }
  // The value as it is, an empty list too.
  return { id, content, entity: subject.name, predicate, value, ...compact(rest) }
}
