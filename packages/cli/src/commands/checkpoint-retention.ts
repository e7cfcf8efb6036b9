import { CairnError, type RetentionPolicy } from '@cairn/core'
import type { Command } from 'commander'
import type { CairnClient } from '../client/cairn-client.ts'
import { runWithClient } from '../client/open-client.ts'
import { confirmed } from '../confirm.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { show, table } from '../output.ts'

interface RuleFlags extends ClientFlags {
  readonly keepLast?: string
  readonly keepHourly?: string
  readonly keepDaily?: string
  readonly keepWeekly?: string
  readonly keepMonthly?: string
  readonly olderThan?: string
  readonly protect?: string[]
}

type PruneJson = Awaited<ReturnType<CairnClient['checkpoints']['prune']>>

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** Adds `cairn checkpoints prune|policy`. */
export function addRetentionCommands(checkpoints: Command): void {
  withRules(withClientFlags(checkpoints.command('prune')))
    .description('Remove the checkpoints of an agent that the rules do not keep; without an agent, what the stored policies do not keep')
    .argument('[agent]', 'id or key')
    .option('--dry-run', 'only list what would go')
    .option('--yes', 'do not ask')
    .action((agent: string | undefined, flags: RuleFlags & { dryRun?: boolean; yes?: boolean }) =>
      runWithClient(flags, async (client) => {
        const policy = policyFrom(flags)
        if ((agent === undefined) !== (policy === undefined)) throw new CairnError('INVALID_OPTION', 'Give an agent and rules (such as --keep-last 10), or neither to run the stored policies.', { details: { option: 'keep-last' } })
        const prune = async (dryRun: boolean): Promise<PruneJson[]> =>
          agent === undefined || policy === undefined ? (await client.checkpoints.runPolicies(dryRun)).results : [await client.checkpoints.prune(agent, policy, dryRun)]
        if (flags.dryRun !== true && flags.yes !== true) {
          const count = (await prune(true)).reduce((sum, { removed }) => sum + removed.length, 0)
          if (count > 0) await confirmed(flags, `Remove ${count} checkpoints?`)
        }
        const results = await prune(flags.dryRun === true)
        show(flags, agent === undefined ? { results } : results[0], () => describe(results, flags.dryRun === true))
      }),
    )

  withRules(withClientFlags(checkpoints.command('policy')))
    .description('Show, set (with rules) or remove the retention policy of the tenant, or of an agent')
    .argument('[agent]', 'id or key')
    .option('--remove', 'remove it')
    .action((agent: string | undefined, flags: RuleFlags & { remove?: boolean }) =>
      runWithClient(flags, async (client) => {
        const policy = policyFrom(flags)
        if (flags.remove === true) {
          const result = await client.checkpoints.removePolicy(agent)
          show(flags, result, () => (result.deleted ? 'Removed.' : 'There was none.'))
          return
        }
        const result = policy === undefined ? await client.checkpoints.policy(agent) : await client.checkpoints.setPolicy(policy, agent)
        show(flags, result, () => (result.policy === null ? 'There is none: all checkpoints are kept.' : JSON.stringify(result.policy)))
      }),
    )
}

function withRules(command: Command): Command {
  return command
    .option('--keep-last <n>', 'keep the newest so many')
    .option('--keep-hourly <n>', 'keep one of each of the last so many hours')
    .option('--keep-daily <n>', 'the same for days')
    .option('--keep-weekly <n>', 'the same for weeks')
    .option('--keep-monthly <n>', 'the same for months')
    .option('--older-than <time>', 'remove only what is older, such as 90m, 12h, 30d, 4w')
    .option('--protect <tag...>', "keep what has one of these tags; * at the end stands for any text (default: '*', every tag)")
}

function policyFrom(flags: RuleFlags): RetentionPolicy | undefined {
  const number = (option: string, text: string): number => {
    if (/^\d{1,9}$/.test(text)) return Number(text)
    throw new CairnError('INVALID_OPTION', `--${option}: ${JSON.stringify(text)} is not a whole number.`, { details: { option } })
  }
  const every = { hour: ['keep-hourly', flags.keepHourly], day: ['keep-daily', flags.keepDaily], week: ['keep-weekly', flags.keepWeekly], month: ['keep-monthly', flags.keepMonthly] } as const
  const keepEvery = Object.fromEntries(Object.entries(every).flatMap(([period, [option, text]]) => (text === undefined ? [] : [[period, number(option, text)]])))
  const policy: RetentionPolicy = {
    ...(flags.keepLast === undefined ? {} : { keepLast: number('keep-last', flags.keepLast) }),
    ...(Object.keys(keepEvery).length === 0 ? {} : { keepEvery }),
    ...(flags.olderThan === undefined ? {} : { olderThanMs: age(flags.olderThan) }),
    ...(flags.protect === undefined ? {} : { protectedTags: flags.protect }),
  }
  return Object.keys(policy).length === 0 ? undefined : policy
}

function age(text: string): number {
  const match = /^(\d{1,6})([mhdw])$/.exec(text)
  if (match !== null) return Number(match[1]) * (UNITS[match[2] as string] as number)
  throw new CairnError('INVALID_OPTION', `--older-than: ${JSON.stringify(text)} is not a time such as 90m, 12h, 30d or 4w.`, { details: { option: 'older-than' } })
}

function describe(results: readonly PruneJson[], dryRun: boolean): string {
  const rows = results.flatMap(({ agentId, removed }) => removed.map(({ id, name, tags, createdAt }) => [id, agentId, name, tags.join(', '), createdAt]))
  const kept = results.reduce((sum, result) => sum + result.kept, 0)
  return `${table(['id', 'agent', 'name', 'tags', 'made'], rows, 'Nothing to remove.')}\n${rows.length} ${dryRun ? 'would be removed' : 'removed'}, ${kept} kept.`
}
