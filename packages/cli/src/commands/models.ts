import { MODEL_HEALTHS, MODEL_STATUSES, type ModelHealth, type ModelStatus } from '@cairn/core'
import { type Command, Option } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { duration, record, show, table } from '../output.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

interface ListFlags extends ClientFlags, PageFlags {
  readonly provider?: string
  readonly status?: ModelStatus
  readonly health?: ModelHealth
  readonly capability?: readonly string[]
}

/** Adds `cairn models list|show`. */
export function registerModelsCommands(program: Command): void {
  const models = program.command('models').description('Models, their health, and what their calls show')

  withClientFlags(withPageFlags(models.command('list')))
    .description('List models by name')
    .option('--provider <provider>', 'only of this provider')
    .addOption(new Option('--status <status>', 'only in this status').choices([...MODEL_STATUSES]))
    .addOption(new Option('--health <health>', 'only of this health').choices([...MODEL_HEALTHS]))
    .option('--capability <name...>', 'only those that have all of these')
    .action((flags: ListFlags) =>
      runWithClient(flags, async (client) => {
        const { provider, status, health, capability } = flags
        const filter = { ...(provider === undefined ? {} : { provider }), ...(status === undefined ? {} : { status }), ...(health === undefined ? {} : { health }), ...(capability === undefined ? {} : { capabilities: capability }) }
        const page = await client.models.list({ ...pageFrom(flags), ...filter })
        show(flags, page, () => {
          const rows = page.items.map((each) => [each.name, each.provider, each.size, each.status, each.health, each.totalRequests, `${(each.successRate * 100).toFixed(1)} %`, each.averageResponseTimeMs === null ? '' : duration(each.averageResponseTimeMs), each.totalTokens, each.capabilities.join(' ')])
          return table(['name', 'provider', 'size', 'status', 'health', 'calls', 'success', 'mean time', 'tokens', 'capabilities'], rows, 'There are no such models.') + moreLine(page)
        })
      }),
    )

  withClientFlags(models.command('show'))
    .description('Show a model with its health and statistics')
    .argument('<model>', 'id, key or name')
    .action((model: string, flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const found = await client.models.get(model)
        show(flags, found, () => record({ ...found, capabilities: found.capabilities.join(', '), parameters: JSON.stringify(found.parameters), performance: JSON.stringify(found.performance) }))
      }),
    )
}
