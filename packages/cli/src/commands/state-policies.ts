import type { ConflictPolicy, ConflictStrategy, CrdtType, SetConflictPolicy } from '@cairn/core'
import { type Command, Option } from 'commander'
import type { Json } from '../client/cairn-client.ts'
import { runWithClient } from '../client/open-client.ts'
import { confirmed } from '../confirm.ts'
import { type ClientFlags, wholeNumber, withClientFlags } from '../engine-flags.ts'
import { record, show, table } from '../output.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

const STRATEGIES: readonly ConflictStrategy[] = ['lww', 'vector', 'crdt', 'custom']
const TYPES: readonly CrdtType[] = ['register', 'counter', 'set', 'map']

interface SetFlags extends ClientFlags {
  readonly agent?: string
  readonly agentType?: string
  readonly prefix?: string
  readonly key?: string
  readonly merge?: string
  readonly crdtType?: CrdtType
  readonly maxSiblings?: number
}

/** Adds `cairn state policies list|set|remove`. */
export function registerStatePolicyCommands(state: Command): void {
  const policies = state.command('policies').description('How two writes of one key are resolved')

  withClientFlags(withPageFlags(policies.command('list')))
    .description('List the policies; keys without one keep the last acknowledged write')
    .addOption(new Option('--strategy <strategy>', 'only policies with it').choices(STRATEGIES))
    .action((flags: ClientFlags & PageFlags & { strategy?: ConflictStrategy }) =>
      runWithClient(flags, async (client) => {
        const page = await client.policies.list({ ...pageFrom(flags), ...(flags.strategy === undefined ? {} : { strategy: flags.strategy }) })
        show(flags, page, () => table(['id', 'for', 'keys', 'strategy'], page.items.map((policy) => [policy.id, scopeOf(policy), keysOf(policy), strategyOf(policy)]), 'There are no policies.') + moreLine(page))
      }),
    )

  withClientFlags(policies.command('set'))
    .description('Make the policy of a scope, or replace the one it has')
    .addOption(new Option('--strategy <strategy>', 'lww: the newer write; vector: the one that knew of the other, else both; crdt: typed values; custom: a function').choices(STRATEGIES).makeOptionMandatory())
    .option('--prefix <text>', "keys that begin with it; '' for every key")
    .option('--key <key>', 'this key alone')
    .option('--agent <agent>', 'for this agent alone, id or key')
    .option('--agent-type <type>', 'for agents of this type')
    .option('--merge <name>', 'merge function that every writing process defines; for custom and vector')
    .addOption(new Option('--crdt-type <type>', 'type of the values under crdt').choices(TYPES))
    .option('--max-siblings <n>', 'values kept beside each other under vector (default: 16)', wholeNumber(2, 100))
    .action((flags: SetFlags & { strategy: ConflictStrategy }) =>
      runWithClient(flags, async (client) => {
        const policy = await client.policies.set(inputOf(flags))
        show(flags, policy, () => record({ id: policy.id, for: scopeOf(policy), keys: keysOf(policy), strategy: strategyOf(policy) }))
      }),
    )

  withClientFlags(policies.command('remove'))
    .description('Remove a policy; the keys keep their values')
    .argument('<id>')
    .option('--yes', 'do not ask')
    .action((id: string, flags: ClientFlags & { yes?: boolean }) =>
      runWithClient(flags, async (client) => {
        await confirmed(flags, `Remove the conflict policy ${id}?`)
        const deleted = await client.policies.remove(id)
        show(flags, { id, deleted }, () => (deleted ? `The policy ${id} is removed.` : `There was no policy ${id}.`))
      }),
    )
}

function inputOf({ strategy, prefix, key, agent, agentType, merge, crdtType, maxSiblings }: SetFlags & { strategy: ConflictStrategy }): SetConflictPolicy {
  return {
    strategy,
    ...(prefix === undefined ? {} : { prefix }),
    ...(key === undefined ? {} : { key }),
    ...(agent === undefined ? {} : { agent }),
    ...(agentType === undefined ? {} : { agentType }),
    ...(merge === undefined ? {} : { merge }),
    ...(crdtType === undefined ? {} : { crdtType }),
    ...(maxSiblings === undefined ? {} : { maxSiblings }),
  }
}

function scopeOf({ agentId, agentType }: Json<ConflictPolicy>): string {
  if (agentId !== null) return `agent ${agentId}`
  return agentType === null ? 'all agents' : `type ${agentType}`
}

function keysOf({ prefix, exact }: Json<ConflictPolicy>): string {
  return exact ? prefix : `${prefix}*`
}

function strategyOf({ strategy, merge, crdtType }: Json<ConflictPolicy>): string {
  return [strategy, crdtType, merge].filter((part) => part !== null).join(' ')
}
