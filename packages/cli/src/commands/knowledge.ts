import { CairnError, type Fact, type FactSearchMode, type NewFact } from '@cairn/core'
import { type Command, Option } from 'commander'
import type { Json } from '../client/cairn-client.ts'
import { runWithClient } from '../client/open-client.ts'
import { type ClientFlags, fraction, wholeNumber, withClientFlags } from '../engine-flags.ts'
import { oneLine, show, table } from '../output.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

interface SpaceFlags extends ClientFlags {
  readonly space?: string
}

interface FactFlags extends SpaceFlags, PageFlags {
  readonly entity?: string
  readonly object?: string
  readonly predicate?: string
  readonly minConfidence?: number
  readonly valid?: string
  readonly recorded?: string
  readonly anyTime?: boolean
}

interface AddFlags extends SpaceFlags {
  readonly object?: boolean
  readonly number?: boolean
  readonly type?: string
  readonly objectType?: string
  readonly confidence?: number
  readonly from?: string
  readonly until?: string
  readonly source?: string
}

/** Adds `cairn knowledge entities|facts|add|search|path|history`. */
export function registerKnowledgeCommands(program: Command): void {
  const knowledge = program.command('knowledge').description('What is known: entities, facts in two times, search, paths and history')

  withSpace(withPageFlags(knowledge.command('entities')))
    .description('List entities by name')
    .option('--type <type>', 'only of this type')
    .option('--prefix <text>', 'only names that begin so')
    .action((flags: SpaceFlags & PageFlags & { type?: string; prefix?: string }) =>
      runWithClient(flags, async (client) => {
        const { type, prefix } = flags
        const page = await client.knowledge.entities(flags.space, { ...pageFrom(flags), ...(type === undefined ? {} : { type }), ...(prefix === undefined ? {} : { prefix }) })
        show(flags, page, () => table(['name', 'type', 'aliases', 'id'], page.items.map(({ name, type, aliases, id }) => [name, type, aliases.join(', '), id]), 'There are no entities.') + moreLine(page))
      }),
    )

  withFilter(knowledge.command('facts'))
    .description('List facts: what holds and is believed now, or as of other times')
    .action((flags: FactFlags) =>
      runWithClient(flags, async (client) => {
        const page = await client.knowledge.facts(flags.space, filterFrom(flags))
        show(flags, page, () => facts(page.items, 'There are no facts.') + moreLine(page))
      }),
    )

  withSpace(knowledge.command('add'))
    .description('Record a fact; what is known already is not doubled')
    .argument('<entity>', 'id or name; made if it does not exist')
    .argument('<predicate>', 'such as works_at')
    .argument('<value>', 'text; JSON if it is an object, an array, true or false')
    .option('--object', 'the value is another entity')
    .option('--number', 'the value is a number')
    .option('--type <type>', 'of the entity, when it is made')
    .option('--object-type <type>', 'of the other entity, when it is made')
    .option('--confidence <n>', '0 to 1 (default: 1)', fraction)
    .option('--from <time>', 'since when it holds (default: now)')
    .option('--until <time>', 'until when it holds')
    .option('--source <text>', 'where it comes from')
    .action((entity: string, predicate: string, value: string, flags: AddFlags) =>
      runWithClient(flags, async (client) => {
        const { fact, ...rest } = await client.knowledge.add(flags.space, factFrom(entity, predicate, value, flags))
        show(flags, { fact, ...rest }, () => `${rest.isNew ? 'Recorded' : 'Known already'}: ${oneLine(fact.content)} (${fact.id}), ${period(fact)}.`)
      }),
    )

  withFilter(knowledge.command('search'))
    .description('Find facts by words, by meaning, or by both')
    .argument('<query>', 'any of the words counts')
    .addOption(new Option('--mode <mode>', 'what finds them (default: text)').choices(['text', 'vector', 'hybrid']))
    .action((query: string, flags: FactFlags & { readonly mode?: FactSearchMode }) =>
      runWithClient(flags, async (client) => {
        const page = await client.knowledge.search(flags.space, { ...filterFrom(flags), query, ...(flags.mode === undefined ? {} : { mode: flags.mode }) })
        show(flags, page, () => facts(page.items, 'Nothing was found.') + moreLine(page) + (page.degraded === null ? '' : `\nSearched by text: ${page.degraded.message}`))
      }),
    )

  withSpace(knowledge.command('path'))
    .description('Find the shortest ways from one entity to another')
    .argument('<from>', 'id or name')
    .argument('<to>', 'id or name')
    .option('--max-depth <n>', 'relations at most, 1 to 8 (default: 4)', wholeNumber(1, 8))
    .option('--limit <n>', 'paths at most, 1 to 100 (default: 10)', wholeNumber(1, 100))
    .action((from: string, to: string, flags: SpaceFlags & { maxDepth?: number; limit?: number }) =>
      runWithClient(flags, async (client) => {
        const { maxDepth, limit } = flags
        const found = await client.knowledge.paths(flags.space, from, to, { ...(maxDepth === undefined ? {} : { maxDepth }), ...(limit === undefined ? {} : { limit }) })
        show(flags, found, () => found.paths.map(shownPath).join('\n') || `No way from ${from} to ${to} was found${found.truncated ? ' before the search was cut off' : ''}.`)
      }),
    )

  withSpace(withPageFlags(knowledge.command('history')))
    .description('List every row there was of an entity')
    .argument('<entity>', 'id or name')
    .option('--predicate <predicate>', 'only of this')
    .action((entity: string, flags: SpaceFlags & PageFlags & { predicate?: string }) =>
      runWithClient(flags, async (client) => {
        const page = await client.knowledge.history(flags.space, { ...pageFrom(flags), entity, ...(flags.predicate === undefined ? {} : { predicate: flags.predicate }) })
        const rows = page.items.map((fact) => [fact.recordedFrom, fact.predicate, oneLine(valueText(fact), 40), period(fact), fact.endedBy === null ? '' : `${fact.endedBy} ${fact.recordedUntil}`])
        show(flags, page, () => table(['recorded', 'predicate', 'value', 'holds', 'ended'], rows, 'Nothing was recorded.') + moreLine(page))
      }),
    )
}

function withSpace(command: Command): Command {
  return withClientFlags(command).option('--space <space>', "which part of the knowledge (default: 'default')")
}

function withFilter(command: Command): Command {
  return withSpace(withPageFlags(command))
    .option('--entity <entity>', 'only about this one, by id or name')
    .option('--object <entity>', 'only with this entity as the object')
    .option('--predicate <predicate>', 'only with this predicate')
    .option('--min-confidence <n>', '0 to 1', fraction)
    .option('--valid <time>', 'what holds then (ISO 8601)')
    .option('--recorded <time>', 'what was believed then')
    .option('--any-time', 'also what held once or will hold')
}

function filterFrom(flags: FactFlags) {
  const { entity, object, predicate, minConfidence, valid, recorded, anyTime } = flags
  const asOf = { ...(valid === undefined ? {} : { valid }), ...(recorded === undefined ? {} : { recorded }) }
  return {
    ...pageFrom(flags),
    ...(entity === undefined ? {} : { entity }),
    ...(object === undefined ? {} : { object }),
    ...(predicate === undefined ? {} : { predicate }),
    ...(minConfidence === undefined ? {} : { minConfidence }),
    ...(anyTime === undefined ? {} : { anyTime }),
    ...(Object.keys(asOf).length === 0 ? {} : { asOf }),
  }
}

function factFrom(entity: string, predicate: string, value: string, flags: AddFlags): NewFact {
  const { object, type, objectType, confidence, from, until, source } = flags
  return {
    entity: type === undefined ? entity : { name: entity, type },
    predicate,
    ...(object === true ? { object: objectType === undefined ? value : { name: value, type: objectType } } : { value: flags.number === true ? numberFrom(value) : valueFrom(value) }),
    ...(confidence === undefined ? {} : { confidence }),
    ...(from === undefined ? {} : { validFrom: from }),
    ...(until === undefined ? {} : { validUntil: until }),
    ...(source === undefined ? {} : { evidence: { source } }),
  }
}

function valueFrom(text: string): unknown {
  if (!/^\s*[[{]|^(true|false)$/.test(text)) return text
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw new CairnError('INVALID_ARGUMENT', `value: ${oneLine(text)} is not JSON: ${(cause as Error).message}.`, { cause, details: { field: 'value' } })
  }
}

function numberFrom(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new CairnError('INVALID_ARGUMENT', `value: ${oneLine(text)} is not a number.`, { details: { field: 'value' } })
  return value
}

const valueText = ({ value }: Json<Fact>): string => (typeof value === 'string' ? value : JSON.stringify(value))
const period = ({ validFrom, validUntil }: Json<Fact>): string => `${validFrom} to ${validUntil ?? 'open'}`

function facts(items: readonly Json<Fact>[], none: string): string {
  return table(['entity', 'predicate', 'value', 'confidence', 'holds', 'id'], items.map((fact) => [fact.entity.name, fact.predicate, oneLine(valueText(fact), 50), fact.confidence, period(fact), fact.id]), none)
}

function shownPath({ entities, facts }: { entities: readonly { id: string; name: string }[]; facts: readonly Json<Fact>[] }): string {
  return entities.map(({ name }, index) => {
    const fact = facts[index]
    if (fact === undefined) return name
    return `${name} ${fact.entity.id === entities[index]?.id ? `-[${fact.predicate}]->` : `<-[${fact.predicate}]-`}`
  }).join(' ')
}
