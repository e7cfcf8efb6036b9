import type { Command } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { duration, record, show } from '../output.ts'

/** Adds `cairn state lifecycle|hydrate|flush|repair`. */
export function addLifecycleCommands(state: Command): void {
  withClientFlags(state.command('lifecycle'))
    .description("Show where an agent's state is between the tiers")
    .argument('<agent>', 'id or key')
    .action((agent: string, flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const lifecycle = await client.lifecycle.get(agent)
        show(flags, lifecycle, () => record({ ...lifecycle, lagMs: duration(lifecycle.lagMs), maxLagMs: duration(lifecycle.maxLagMs) }))
      }),
    )

  withClientFlags(state.command('hydrate'))
    .description("Bring all of an agent's state from SQL into the hot tier and memory")
    .argument('<agent>', 'id or key')
    .action((agent: string, flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const result = await client.lifecycle.hydrate(agent)
        show(flags, result, () => `${result.hydrated} of ${result.keys} keys brought up in ${duration(result.durationMs)}; ${result.present} were there.`)
      }),
    )

  withClientFlags(state.command('flush'))
    .description('Write all dirty keys of an agent to SQL in one transaction')
    .argument('<agent>', 'id or key')
    .action((agent: string, flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const result = await client.lifecycle.flush(agent)
        show(flags, result, () => `${result.flushed} keys written in ${duration(result.durationMs)}.`)
      }),
    )

  withClientFlags(state.command('repair'))
    .description('Compare both tiers of an agent and mend what differs; exit code 1 when something stays damaged')
    .argument('<agent>', 'id or key')
    .action((agent: string, flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const result = await client.lifecycle.repair(agent)
        const lost = result.damaged.filter(({ repaired }) => !repaired)
        show(flags, result, () => {
          if (result.consistent) return `${result.checked} keys compared: both tiers agree.`
          const rest = lost.length === 0 ? '' : ` Still damaged: ${lost.map(({ key }) => key).join(', ')}. Restore the agent from a checkpoint.`
          return `${result.checked} keys compared: ${result.flushed.length} brought to SQL, ${result.hydrated.length} to the hot tier, ${result.damaged.length - lost.length} damaged ones mended.${rest}`
        })
        return lost.length > 0 ? 1 : 0
      }),
    )
}
