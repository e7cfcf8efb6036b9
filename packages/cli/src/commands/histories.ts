import type { Command } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { confirmed } from '../confirm.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { oneLine, record, show, table } from '../output.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

interface NamespaceFlags extends ClientFlags {
  readonly namespace?: string
}

/** Adds `cairn histories list|show|clear`. */
export function registerHistoriesCommands(program: Command): void {
  const histories = program.command('histories').description('The items of sessions, such as those of the OpenAI Agents SDK')

  withNamespace(withPageFlags(histories.command('list')))
    .description('List histories by namespace and key')
    .option('--prefix <text>', 'only keys that begin with it')
    .action((flags: NamespaceFlags & PageFlags & { prefix?: string }) =>
      runWithClient(flags, async (client) => {
        const { namespace, prefix } = flags
        const page = await client.histories.list({ ...pageFrom(flags), ...(namespace === undefined ? {} : { namespace }), ...(prefix === undefined ? {} : { prefix }) })
        show(flags, page, () => {
          const rows = page.items.map((item) => [item.namespace, item.key, item.itemCount, item.updatedAt, item.expiresAt])
          return table(['namespace', 'key', 'items', 'changed', 'expires'], rows, 'There are no histories.') + moreLine(page)
        })
      }),
    )

  withNamespace(withPageFlags(histories.command('show')))
    .description('Show a history with a page of its items')
    .argument('<key>')
    .option('--newest', 'the newest items first')
    .action((key: string, flags: NamespaceFlags & PageFlags & { newest?: boolean }) =>
      runWithClient(flags, async (client) => {
        const name = { key, namespace: flags.namespace ?? '' }
        const history = await client.histories.get(name)
        const items = await client.histories.items(name, { ...pageFrom(flags), order: flags.newest === true ? 'desc' : 'asc' })
        show(flags, { history, items }, () => {
          const { namespace, itemCount, revision, createdAt, updatedAt, expiresAt } = history
          const rows = items.items.map(({ seq, addedAt, item }) => [seq, addedAt, oneLine(JSON.stringify(item), 120)])
          return [
            record({ namespace, key, items: itemCount, revision, begun: createdAt, changed: updatedAt, expires: expiresAt }),
            table(['seq', 'added', 'item'], rows, 'It has no items.') + moreLine(items),
          ].join('\n')
        })
      }),
    )

  withNamespace(histories.command('clear'))
    .description('Take all items of a history away')
    .argument('<key>')
    .option('--yes', 'do not ask')
    .action((key: string, flags: NamespaceFlags & { yes?: boolean }) =>
      runWithClient(flags, async (client) => {
        const name = { key, namespace: flags.namespace ?? '' }
        const { itemCount } = await client.histories.get(name)
        await confirmed(flags, `Delete all ${itemCount} items of the history ${JSON.stringify(key)}?`)
        const change = await client.histories.clear(name)
        show(flags, change, () => `${key} is empty.`)
      }),
    )
}

function withNamespace(command: Command): Command {
  return withClientFlags(command).option('--namespace <name>', 'where the history is')
}
