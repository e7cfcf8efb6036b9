import { CairnError } from '@cairn/core'
import type { Command } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { confirmed } from '../confirm.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { record, show } from '../output.ts'

interface InvalidateFlags extends ClientFlags {
  readonly key?: string[]
  readonly tag?: string[]
  readonly all?: boolean
  readonly yes?: boolean
}

/** Adds `cairn cache stats|invalidate`. */
export function registerCacheCommands(program: Command): void {
  const cache = program.command('cache').description('The cache of query results')

  withClientFlags(cache.command('stats'))
    .description('Counters of the cache of the running server, of all tenants')
    .action((flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const stats = await client.cache.stats()
        show(flags, stats, () => record({ ...stats }))
      }),
    )

  withClientFlags(cache.command('invalidate'))
    .description('End entries in every process; they are loaded again when somebody asks')
    .option('--key <key...>', 'entries with these keys')
    .option('--tag <tag...>', 'entries with one of these tags')
    .option('--all', "all of the tenant's entries")
    .option('--yes', 'do not ask')
    .action((flags: InvalidateFlags) =>
      runWithClient(flags, async (client) => {
        const { key = [], tag = [], all = false } = flags
        if (key.length + tag.length === 0 && !all) throw new CairnError('INVALID_ARGUMENT', 'What ends? Give --key, --tag or --all.', { details: { field: 'key' } })
        if (all) await confirmed(flags, 'End all cached entries of the tenant?')
        const result = await client.cache.invalidate({ keys: key, tags: tag, all })
        show(flags, result, () => (result.shared ? 'They have ended in every process.' : 'They have ended here; other processes are told when the KV tier is back.'))
      }),
    )
}
