import type { MemoryBlockRef } from '@cairn/core'
import type { Command } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { confirmed } from '../confirm.ts'
import { type ClientFlags, wholeNumber, withClientFlags } from '../engine-flags.ts'
import { oneLine, show, table } from '../output.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

interface BlockFlags extends ClientFlags {
  readonly user?: string
  readonly agent?: string
}

/** Adds `cairn memory blocks list|show|set|append|remove`. */
export function registerMemoryBlocksCommands(memory: Command): void {
  const blocks = memory.command('blocks').description('Working memory: named texts of bounded size')

  withOwner(withClientFlags(withPageFlags(blocks.command('list'))))
    .description('List blocks, of all owners unless one is named')
    .action((flags: BlockFlags & PageFlags) =>
      runWithClient(flags, async (client) => {
        const { label: _, ...owner } = refFrom('', flags)
        const page = await client.memory.blocks({ ...pageFrom(flags), ...owner })
        show(flags, page, () => {
          const rows = page.items.map((each) => [each.label, each.scope, each.userId ?? each.agentId ?? '', `${each.characters}/${each.limit}`, each.version, oneLine(each.content, 60)])
          return table(['label', 'scope', 'owner', 'characters', 'version', 'content'], rows, 'There are no blocks.') + moreLine(page)
        })
      }),
    )

  withOwner(withClientFlags(blocks.command('show')))
    .description('Show a block')
    .argument('<label>')
    .action((label: string, flags: BlockFlags) =>
      runWithClient(flags, async (client) => {
        const block = await client.memory.block(refFrom(label, flags))
        show(flags, block, () => block.content)
      }),
    )

  withOwner(withClientFlags(blocks.command('set')))
    .description('Make a block, or change its text')
    .argument('<label>')
    .argument('<content>')
    .option('--max <characters>', 'its limit (default: 2000 for a new one)', wholeNumber(1, 100_000))
    .option('--if-version <n>', 'only when this is its version; 0: only when it does not exist', wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .action((label: string, content: string, flags: BlockFlags & { max?: number; ifVersion?: number }) =>
      runWithClient(flags, async (client) => {
        const block = await client.memory.setBlock(refFrom(label, flags), { content, ...(flags.max === undefined ? {} : { limit: flags.max }), ...(flags.ifVersion === undefined ? {} : { ifVersion: flags.ifVersion }) })
        show(flags, block, () => `Block ${block.label} has version ${block.version} and ${block.characters} of ${block.limit} characters.`)
      }),
    )

  withOwner(withClientFlags(blocks.command('append')))
    .description('Add a line to a block')
    .argument('<label>')
    .argument('<content>')
    .action((label: string, content: string, flags: BlockFlags) =>
      runWithClient(flags, async (client) => {
        const block = await client.memory.appendToBlock(refFrom(label, flags), content)
        show(flags, block, () => `Block ${block.label} has version ${block.version} and ${block.characters} of ${block.limit} characters.`)
      }),
    )

  withOwner(withClientFlags(blocks.command('remove')))
    .description('Remove a block with its versions')
    .argument('<label>')
    .option('--yes', 'do not ask')
    .action((label: string, flags: BlockFlags & { yes?: boolean }) =>
      runWithClient(flags, async (client) => {
        await confirmed(flags, `Remove block ${label}?`)
        const removed = await client.memory.removeBlock(refFrom(label, flags))
        show(flags, removed, () => (removed.deleted ? `Block ${label} is removed.` : `There is no block ${label}.`))
      }),
    )
}

function withOwner(command: Command): Command {
  return command.option('--user <id>', 'of this user').option('--agent <agent>', 'of this agent, by id or key; shared without either')
}

function refFrom(label: string, { user, agent }: BlockFlags): MemoryBlockRef {
  return { label, ...(user === undefined ? {} : { userId: user }), ...(agent === undefined ? {} : { agentId: agent }) }
}
