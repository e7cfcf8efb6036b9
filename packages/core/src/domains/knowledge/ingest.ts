import type * as z from 'zod'
import { check, invalid } from '../../checks/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { assertFacts } from './assert-facts.ts'
import { BUILTIN_RULES, BUILTIN_RULE_NAMES } from './builtin-rules.ts'
import { type CheckedEvidence, type CheckedFact, type CheckedRule, MAX_BATCH_FACTS, extractedFact, type ingestOptions, type ingestTexts, valueOf } from './input.ts'
import type { SpaceContext } from './space-context.ts'
import type { AssertedFact, FactExtractor, IngestResult, RejectedFact } from './types.ts'

/** Of one rule in one text. */
const MOST_MATCHES = 1000
/** Of the words around a match, in the evidence. */
const QUOTE = 400

type Text = z.output<typeof ingestTexts>[number]
type Options = z.output<typeof ingestOptions>

interface Candidate {
  readonly source: string
  readonly quote: string
  readonly fact: unknown
}

interface Rule extends CheckedRule {
  readonly compiled: RegExp
}

/** See KnowledgeSpace.ingest. */
export async function ingest(context: SpaceContext, texts: readonly Text[], options: Options): Promise<IngestResult> {
  const rules = rulesOf(options)
  const rejected: RejectedFact[] = []
  const facts: CheckedFact[] = []
  for (const [index, text] of texts.entries()) {
    const candidates = rules.flatMap((rule) => matches(rule, text.text))
    if (options.extract !== undefined) candidates.push(...(await extracted(options.extract, text.text, index)))
    for (const candidate of candidates) {
      const fact = factFrom(candidate, text)
      if (typeof fact === 'string') rejected.push({ text: index, source: candidate.source, problem: fact })
      else facts.push(fact)
    }
  }
  const stored: AssertedFact[] = []
  for (let start = 0; start < facts.length; start += MAX_BATCH_FACTS) stored.push(...(await assertFacts(context, facts.slice(start, start + MAX_BATCH_FACTS))))
  return { facts: stored, rejected }
}

function rulesOf({ rules, builtin, extract }: Options): Rule[] {
  const wanted = builtin ?? (rules.length === 0 && extract === undefined)
  const names = wanted === true ? BUILTIN_RULE_NAMES : wanted === false ? [] : wanted
  // Case tells names in these: they are not read with `i`.
  const own = names.map((name): Rule => ({ entityType: undefined, objectType: undefined, ...BUILTIN_RULES[name], name, compiled: new RegExp(BUILTIN_RULES[name].pattern, 'gu') }))
  return [...own, ...rules.map((rule, index) => ({ ...rule, compiled: compiled(rule, index) }))]
}

function compiled({ pattern, predicate }: CheckedRule, index: number): RegExp {
  const field = `rules.${index}.pattern`
  let made: RegExp
  try {
    made = typeof pattern === 'string' ? new RegExp(pattern, 'giu') : new RegExp(pattern.source, [...new Set(`g${pattern.flags.replace('y', '')}`)].join(''))
  } catch (cause) {
    throw new CairnError('INVALID_ARGUMENT', `${field}: is not a regular expression: ${(cause as Error).message}.`, { cause, details: { field } })
  }
  for (const group of ['entity', 'object', ...(predicate === undefined ? ['predicate'] : [])]) {
    if (!made.source.includes(`(?<${group}>`)) throw invalid(field, `has no group (?<${group}>…)`)
  }
  return made
}

function matches({ name, compiled, predicate, entityType, object, objectType, confidence }: Rule, text: string): Candidate[] {
  const found: Candidate[] = []
  for (const match of text.matchAll(compiled)) {
    if (found.length === MOST_MATCHES) break
    const { entity = '', object: said = '', predicate: relation = '' } = match.groups ?? {}
    const named = (name: string, type: string | undefined): unknown => ({ name: name.trim(), ...(type === undefined ? {} : { type }) })
    const what = object === 'entity' ? { object: named(said, objectType) } : { value: object === 'number' ? Number(said.trim().replaceAll(',', '')) : said.trim() }
    found.push({ source: `rule:${name}`, quote: match[0], fact: { entity: named(entity, entityType), predicate: predicate ?? relation.trim(), ...what, confidence } })
  }
  return found
}

async function extracted(extract: FactExtractor, text: string, index: number): Promise<Candidate[]> {
  let given: unknown
  try {
    given = await extract(text)
  } catch (cause) {
    throw new CairnError('EXTRACTION_FAILED', `The extractor failed on text ${index}: ${cause instanceof Error ? cause.message : String(cause)}. Nothing was stored; try again.`, { cause, details: { text: index } })
  }
  const list = Array.isArray(given) ? (given as unknown[]) : (given as { facts?: unknown } | null | undefined)?.facts
  if (!Array.isArray(list)) throw new CairnError('EXTRACTION_FAILED', `The extractor gave back no list of facts for text ${index}. It must be an array, or an object with it as "facts"; nothing was stored.`, { details: { text: index } })
  if (list.length > MAX_BATCH_FACTS) throw new CairnError('EXTRACTION_FAILED', `The extractor gave back ${list.length} facts for text ${index}, more than ${MAX_BATCH_FACTS}. Split the text; nothing was stored.`, { details: { text: index } })
  return list.map((fact) => ({ source: 'extract', quote: text, fact: fact as unknown }))
}

/** The fact with its evidence, or why it is none. */
function factFrom({ source, quote, fact }: Candidate, text: Text): CheckedFact | string {
  try {
    const checked = check(extractedFact, fact, 'fact')
    if (checked.object === undefined) valueOf(checked.value, 'value')
    const evidence: CheckedEvidence = { messages: [], memories: [], source, ...text.evidence, text: quote.trim().slice(0, QUOTE).toWellFormed() }
    const validFrom = checked.validFrom ?? text.validFrom
    const validUntil = checked.validUntil ?? text.validUntil
    if (validFrom !== undefined && validUntil !== undefined && validUntil <= validFrom) return 'validUntil: is not after validFrom.'
    return { ...checked, ...(validFrom === undefined ? {} : { validFrom }), ...(validUntil === undefined ? {} : { validUntil }), evidence }
  } catch (error) {
    if (isCairnError(error)) return error.message
    throw error
  }
}
