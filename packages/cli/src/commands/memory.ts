import { CairnError, MEMORY_ORDERS, MEMORY_SCOPES, type MemoryOrder, type MemoryScope, type NewMemory, RETENTION_PRIORITIES, type RetentionPriority } from '@cairn/core'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { confirmed } from '../confirm.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { oneLine, record, show, table } from '../output.ts'
import { registerMemoryBlocksCommands } from './memory-blocks.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

interface OwnerFlags extends ClientFlags {
  readonly user?: string
  readonly agent?: string
  readonly session?: string
  readonly scope?: MemoryScope
}

interface ListFlags extends OwnerFlags, PageFlags {
  readonly context?: string
  readonly tag?: string[]
  readonly archived?: boolean
  readonly order?: MemoryOrder
  readonly descending?: boolean
}

interface AddFlags extends OwnerFlags {
  readonly key?: string
  readonly context?: string
  readonly tag?: string[]
  readonly importance?: number
  readonly speaker?: string
  readonly occurred?: string
  readonly expires?: string
  readonly retention?: RetentionPriority
  readonly conflicts?: 'ignore' | 'link' | 'supersede'
}

/** Adds `cairn memory list|show|add|forget|retain|blocks`. */
export function registerMemoryCommands(program: Command): void {
  const memory = program.command('memory').description('List, show, add and forget memories; retention; blocks of working memory')

  withOwner(withClientFlags(withPageFlags(memory.command('list'))))
    .description('List memories')
    .option('--context <context>', 'only with this context')
    .option('--tag <tag...>', 'only with all of these tags')
    .option('--archived', 'those in the archive instead')
    .addOption(new Option('--order <order>', 'by what (default: created)').choices([...MEMORY_ORDERS]))
    .option('--descending', 'newest or most important first')
    .action((flags: ListFlags) =>
      runWithClient(flags, async (client) => {
        const { context, tag, archived, order, descending } = flags
        const page = await client.memory.list({ ...pageFrom(flags), ...ownerFrom(flags), ...defined({ context, tags: tag, archived, order, descending }) })
        show(flags, page, () => {
          const rows = page.items.map((each) => [each.id, each.scope, each.userId ?? '', each.context, each.importance, each.currentRelevance.toFixed(2), each.occurredAt, oneLine(each.content, 60)])
          return table(['id', 'scope', 'user', 'context', 'importance', 'relevance', 'occurred', 'content'], rows, 'There are no memories.') + moreLine(page)
        })
      }),
    )

  withClientFlags(memory.command('show'))
    .description('Show a memory')
    .argument('<memory>', 'id or key')
    .action((id: string, flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const found = await client.memory.get(id)
        show(flags, found, () => record({ ...found, tags: found.tags.join(', '), metadata: JSON.stringify(found.metadata), source: found.source === null ? null : `${found.source.kind} ${found.source.id}` }))
      }),
    )

  withOwner(withClientFlags(memory.command('add')))
    .description('Remember something, once')
    .argument('<content>', 'what to remember')
    .option('--key <key>', 'names it: added again under it, it is the same memory')
    .option('--context <context>', 'what it is part of (default: general)')
    .option('--tag <tag...>')
    .option('--importance <score>', '0 to 1 (default: 0.5)', score)
    .option('--speaker <name>', 'who said it')
    .option('--occurred <time>', 'when it happened, ISO 8601 (default: now)')
    .option('--expires <time>', 'until when it is there')
    .addOption(new Option('--retention <priority>', 'how long retention keeps it (default: normal)').choices([...RETENTION_PRIORITIES]))
    .addOption(new Option('--conflicts <how>', 'what to do with memories that conflict (default: ignore)').choices(['ignore', 'link', 'supersede']))
    .action((content: string, flags: AddFlags) =>
      runWithClient(flags, async (client) => {
        const { key, context, tag, importance, speaker, occurred, expires, retention, conflicts } = flags
        const memoryToAdd: NewMemory = { content, ...ownerFrom(flags), ...defined({ key, context, tags: tag, importance, speaker, occurredAt: occurred, expiresAt: expires, retentionPriority: retention }) }
        const stored = await client.memory.remember(memoryToAdd, defined({ conflicts }))
        show(flags, stored, () => {
          const settled = (stored.conflicts ?? []).map((each) => `\n${each.kind} (${each.rule}) with ${each.memoryId}${each.supersededId === null ? '' : `; ${each.supersededId} is superseded`}`)
          return (stored.isNew ? `Remembered as ${stored.id}.` : `Known already as ${stored.id}.`) + settled.join('')
        })
      }),
    )

  withClientFlags(memory.command('forget'))
    .description('Forget a memory, or all that is of a user')
    .argument('[memory]', 'id or key')
    .option('--user <id>', 'all memories and blocks of this user instead')
    .option('--yes', 'do not ask')
    .action((id: string | undefined, flags: ClientFlags & { user?: string; yes?: boolean }) =>
      runWithClient(flags, async (client) => {
        if ((id === undefined) === (flags.user === undefined)) throw new CairnError('INVALID_OPTION', 'memory forget: name a memory, or a user with --user.', { details: { option: 'user' } })
        if (id === undefined) {
          const user = flags.user as string
          await confirmed(flags, `Forget all that is of the user ${user}?`)
          const gone = await client.memory.forgetUser(user)
          return show(flags, gone, () => `Forgot ${gone.memories} memories and ${gone.blocks} blocks of ${user}.`)
        }
        await confirmed(flags, `Forget memory ${id}?`)
        const gone = await client.memory.forget(id)
        show(flags, gone, () => (gone.deleted ? `Memory ${id} is forgotten.` : `There is no memory ${id}.`))
      }),
    )

  withClientFlags(withPageFlags(memory.command('retain')))
    .description('Archive and delete what retention says')
    .option('--dry-run', 'only say how many each rule would decide on')
    .option('--explain', 'list what it would do to each memory now, and why; changes nothing')
    .action((flags: ClientFlags & PageFlags & { dryRun?: boolean; explain?: boolean }) =>
      runWithClient(flags, async (client) => {
        if (flags.explain === true) {
          const page = await client.memory.preview(pageFrom(flags))
          return show(flags, page, () => {
            const rows = page.items.map(({ memoryId, decision, rule, figures }) => [memoryId, decision, rule, figures.retentionPriority, figures.importance, figures.idleDays.toFixed(1), figures.lifetimeDays ?? ''])
            return table(['memory', 'decision', 'rule', 'priority', 'importance', 'idle days', 'lifetime days'], rows, 'There are no memories.') + moreLine(page)
          })
        }
        const report = await client.memory.retain(flags.dryRun === true ? { dryRun: true } : {})
        show(flags, report, () => {
          const rules = Object.entries(report.counts).map(([rule, count]) => [rule, count])
          const done = `${report.kept} kept, ${report.archived} ${flags.dryRun === true ? 'to be archived' : 'archived'}, ${report.deleted} ${flags.dryRun === true ? 'to be deleted' : 'deleted'}.`
          return `${table(['rule', 'memories'], rules, 'There are no memories.')}\n${done}${report.id === null ? '' : ` Report ${report.id}.`}`
        })
      }),
    )

  registerMemoryBlocksCommands(memory)
}

function withOwner(command: Command): Command {
  return command
    .option('--user <id>', 'of this user')
    .option('--agent <agent>', 'of this agent, by id or key')
    .option('--session <id>', 'of this session')
    .addOption(new Option('--scope <scope>', 'of this scope').choices([...MEMORY_SCOPES]))
}

function ownerFrom({ user, agent, session, scope }: OwnerFlags) {
  return defined({ userId: user, agentId: agent, sessionId: session, scope })
}

function score(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0 && value <= 1)) throw new InvalidArgumentError('It must be a number from 0 to 1.')
  return value
}

type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> }

/** Without the fields that are undefined. */
function defined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>
}
