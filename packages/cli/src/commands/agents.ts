import type { AgentFilter } from '@cairn/core'
import type { Command } from 'commander'
import type { CairnClient } from '../client/cairn-client.ts'
import { runWithClient } from '../client/open-client.ts'
import { confirmed } from '../confirm.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { record, show, table } from '../output.ts'
import { addAgentFileCommands } from './agent-files.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

type AgentJson = Awaited<ReturnType<CairnClient['agents']['get']>>

interface ListFlags extends ClientFlags, PageFlags {
  readonly type?: string
  readonly status?: string
  readonly capability?: string
  readonly search?: string
  readonly retired?: boolean
}

interface RegisterFlags extends ClientFlags {
  readonly type: string
  readonly key?: string
  readonly capability?: string[]
  readonly ifExists?: boolean
}

/** Adds `cairn agents list|show|register|retire|export|import`. */
export function registerAgentsCommands(program: Command): void {
  const agents = program.command('agents').description('List, show, register and retire agents')

  withClientFlags(withPageFlags(agents.command('list')))
    .description('List agents, in the order of registration')
    .option('--type <type>', 'only of this type')
    .option('--status <status>', 'only in this status')
    .option('--capability <name>', 'only with this capability')
    .option('--search <text>', 'only with this text in name or key')
    .option('--retired', 'retired agents too')
    .action((flags: ListFlags) =>
      runWithClient(flags, async (client) => {
        const page = await client.agents.list(filterFrom(flags))
        show(flags, page, () => {
          const rows = page.items.map((agent) => [agent.key, agent.name, agent.type, agent.status, agent.capabilities.join(', '), agent.id])
          return table(['key', 'name', 'type', 'status', 'capabilities', 'id'], rows, 'There are no agents.') + moreLine(page)
        })
      }),
    )

  withClientFlags(agents.command('show'))
    .description('Show an agent')
    .argument('<agent>', 'id or key')
    .action((agent: string, flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const found = await client.agents.get(agent)
        show(flags, found, () => describe(found))
      }),
    )

  withClientFlags(agents.command('register'))
    .description('Register an agent')
    .argument('<name>', 'unique in the tenant')
    .requiredOption('--type <type>', 'analyst, architect, engineer, operator, coordinator, specialist, orchestrator, llm, or a type of your own')
    .option('--key <key>', 'its text id in other systems (default: the name)')
    .option('--capability <name...>', 'what it can do')
    .option('--if-exists', 'show the agent that has this key instead of failing')
    .action((name: string, flags: RegisterFlags) =>
      runWithClient(flags, async (client) => {
        const agent = await client.agents.register({
          name,
          type: flags.type,
          ...(flags.key === undefined ? {} : { key: flags.key }),
          ...(flags.capability === undefined ? {} : { capabilities: flags.capability }),
          ...(flags.ifExists === true ? { ifExists: 'return' as const } : {}),
        })
        show(flags, agent, () => describe(agent))
      }),
    )

  withClientFlags(agents.command('retire'))
    .description('Retire an agent for good; its history stays')
    .argument('<agent>', 'id or key')
    .option('--reason <text>', 'kept with the event')
    .option('--yes', 'do not ask')
    .action((agent: string, flags: ClientFlags & { reason?: string; yes?: boolean }) =>
      runWithClient(flags, async (client) => {
        await confirmed(flags, `Retire agent ${agent} for good?`)
        const retired = await client.agents.retire(agent, flags.reason)
        show(flags, retired, () => describe(retired))
      }),
    )
  addAgentFileCommands(agents)
}

function filterFrom(flags: ListFlags): AgentFilter {
  return {
    ...pageFrom(flags),
    ...(flags.type === undefined ? {} : { type: flags.type }),
    // The library knows the words, and says which there are.
    ...(flags.status === undefined ? {} : { status: flags.status as NonNullable<AgentFilter['status']> }),
    ...(flags.capability === undefined ? {} : { capability: flags.capability }),
    ...(flags.search === undefined ? {} : { search: flags.search }),
    ...(flags.retired === true ? { includeRetired: true } : {}),
  }
}

function describe(agent: AgentJson): string {
  const { id, key, name, type, status, health, description, capabilities, parentId, taskCount, successRate, lastActiveAt, createdAt, updatedAt, retiredAt } = agent
  return record({
    id, key, name, type, status, health, description, capabilities: capabilities.join(', '), parent: parentId, tasks: taskCount,
    'success rate': taskCount === 0 ? '' : successRate, 'last active': lastActiveAt, registered: createdAt, changed: updatedAt, retired: retiredAt,
  })
}
