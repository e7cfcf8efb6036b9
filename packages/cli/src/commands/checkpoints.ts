import type { Command } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { confirmed } from '../confirm.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { oneLine, record, show, table } from '../output.ts'
import { addHistoryCommands } from './checkpoint-history.ts'
import { addRetentionCommands } from './checkpoint-retention.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

interface NameFlags extends ClientFlags {
  readonly name?: string
}

/** Adds `cairn checkpoints` with all of its commands. */
export function registerCheckpointsCommands(program: Command): void {
  const checkpoints = program.command('checkpoints').description("Points to which an agent's state can be brought back")

  withClientFlags(withPageFlags(checkpoints.command('list')))
    .description("List an agent's checkpoints, newest first")
    .argument('<agent>', 'id or key')
    .option('--name <name>', 'only of this name')
    .option('--tag <tag>', 'only with this tag')
    .action((agent: string, flags: NameFlags & PageFlags & { tag?: string }) =>
      runWithClient(flags, async (client) => {
        const page = await client.checkpoints.list(agent, { ...pageFrom(flags), ...nameFrom(flags), ...(flags.tag === undefined ? {} : { tag: flags.tag }) })
        show(flags, page, () => {
          const rows = page.items.map(({ id, name, trigger, tags, keyCount, createdAt }) => [id, name, trigger, tags.join(', '), keyCount, createdAt])
          return table(['id', 'name', 'trigger', 'tags', 'keys', 'made'], rows, 'This agent has no checkpoints.') + moreLine(page)
        })
      }),
    )

  withClientFlags(checkpoints.command('create'))
    .description("Keep all of an agent's state as it is now")
    .argument('<agent>', 'id or key')
    .option('--name <name>', 'a name for people; need not be unique')
    .option('--trigger <word>', "what made it (default: 'manual')")
    .option('--tag <tag...>', 'tags to begin with')
    .action((agent: string, flags: NameFlags & { trigger?: string; tag?: string[] }) =>
      runWithClient(flags, async (client) => {
        const made = await client.checkpoints.create(agent, { ...nameFrom(flags), ...(flags.trigger === undefined ? {} : { trigger: flags.trigger }), ...(flags.tag === undefined ? {} : { tags: flags.tag }) })
        show(flags, made, () => `Checkpoint ${made.id} holds ${made.keyCount} keys.`)
      }),
    )

  withClientFlags(checkpoints.command('show'))
    .description('Show a checkpoint with its state')
    .argument('<id>')
    .action((id: string, flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const { state, ...checkpoint } = await client.checkpoints.get(id)
        show(flags, { ...checkpoint, state }, () => {
          const rows = Object.entries(state).map(([key, value]) => [key, oneLine(JSON.stringify(value), 90)])
          return `${record(checkpoint)}\n${table(['key', 'value'], rows, 'It holds no keys.')}`
        })
      }),
    )

  withClientFlags(checkpoints.command('restore'))
    .description("Make the agent's state what it was; later keys are deleted")
    .argument('<id>')
    .option('--if-unchanged-since <checkpoint>', 'only if nothing was written since this checkpoint')
    .option('--yes', 'do not ask')
    .action((id: string, flags: ClientFlags & { yes?: boolean; ifUnchangedSince?: string }) =>
      runWithClient(flags, async (client) => {
        await confirmed(flags, `Replace the agent's state by checkpoint ${id}?`)
        const result = await client.checkpoints.restore(id, flags.ifUnchangedSince === undefined ? {} : { ifUnchangedSince: flags.ifUnchangedSince })
        show(flags, result, () => `Agent ${result.agentId}: ${result.written} keys written back, ${result.deleted} deleted, ${result.unchanged} unchanged.`)
      }),
    )

  withClientFlags(checkpoints.command('fork'))
    .description("Give another agent this state; the agent's own keys are replaced")
    .argument('<id>')
    .argument('<agent>', 'id or key of the other agent')
    .option('--name <name>', "name of the other agent's first checkpoint (default: this one's)")
    .option('--yes', 'do not ask')
    .action((id: string, agent: string, flags: NameFlags & { yes?: boolean }) =>
      runWithClient(flags, async (client) => {
        await confirmed(flags, `Replace the state of agent ${agent} by checkpoint ${id}?`)
        const result = await client.checkpoints.fork(id, { agent, ...nameFrom(flags) })
        show(flags, result, () => `Agent ${result.agentId}: ${result.written} keys written, ${result.deleted} deleted, ${result.unchanged} unchanged; checkpoint ${result.checkpoint.id} marks the point.`)
      }),
    )
  addHistoryCommands(checkpoints)
  addRetentionCommands(checkpoints)
}

function nameFrom(flags: NameFlags): { name?: string } {
  return flags.name === undefined ? {} : { name: flags.name }
}
