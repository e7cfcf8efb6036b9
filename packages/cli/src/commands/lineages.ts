import { CairnError } from '@cairn/core'
import type { Command } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { confirmed } from '../confirm.ts'
import { type ClientFlags, wholeNumber, withClientFlags } from '../engine-flags.ts'
import { oneLine, show, table } from '../output.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

interface NamespaceFlags extends ClientFlags {
  readonly namespace: string
}

interface PruneFlags extends NamespaceFlags {
  readonly keepLast?: number
  readonly olderThan?: string
  readonly yes?: boolean
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** Adds `cairn lineages list|show|prune|copy|delete`. */
export function registerLineagesCommands(program: Command): void {
  const lineages = program.command('lineages').description('Threads of checkpoints, such as those of LangGraph')

  withNamespace(withPageFlags(lineages.command('list')))
    .description('List the threads of a namespace, by name')
    .option('--prefix <text>', 'only threads that begin with it')
    .action((flags: NamespaceFlags & PageFlags & { prefix?: string }) =>
      runWithClient(flags, async (client) => {
        const page = await client.lineages.threads(flags.namespace, { ...pageFrom(flags), ...(flags.prefix === undefined ? {} : { prefix: flags.prefix }) })
        show(flags, page, () => {
          const rows = page.items.map((item) => [item.thread, item.paths, item.checkpoints, item.bytes, item.createdAt, item.newestAt])
          return table(['thread', 'paths', 'checkpoints', 'bytes', 'begun', 'newest'], rows, 'There are no threads.') + moreLine(page)
        })
      }),
    )

  withNamespace(withPageFlags(lineages.command('show')))
    .description('Show the checkpoints of a thread, newest first')
    .argument('<thread>')
    .option('--path <path>', 'only those of this sub-graph; empty for the root')
    .action((thread: string, flags: NamespaceFlags & PageFlags & { path?: string }) =>
      runWithClient(flags, async (client) => {
        const page = await client.lineages.checkpoints(flags.namespace, { thread, ...pageFrom(flags), ...(flags.path === undefined ? {} : { path: flags.path }) })
        show(flags, page, () => {
          const rows = page.items.map((item) => [item.id, item.path, item.parentId, item.tasks, item.bytes, item.createdAt, item.expiresAt, oneLine(JSON.stringify(item.metadata), 60)])
          return table(['id', 'path', 'parent', 'tasks', 'bytes', 'made', 'expires', 'metadata'], rows, 'It has no checkpoints.') + moreLine(page)
        })
      }),
    )

  withNamespace(lineages.command('prune'))
    .description('Remove old checkpoints of threads; what stays loads as before')
    .argument('<thread...>')
    .option('--keep-last <n>', 'checkpoints kept of each path, the newest', wholeNumber(0, 1_000_000_000))
    .option('--older-than <when>', 'only those appended before: 30d, 12h, 90m, 2w or an ISO date')
    .option('--yes', 'do not ask')
    .action((threads: string[], flags: PruneFlags) =>
      runWithClient(flags, async (client) => {
        const { keepLast, olderThan } = flags
        if (keepLast === undefined && olderThan === undefined) throw new CairnError('INVALID_OPTION', 'Say what stays (--keep-last 10) or what goes (--older-than 30d), or both.', { details: { option: 'keep-last' } })
        const rules = { ...(keepLast === undefined ? {} : { keepLast }), ...(olderThan === undefined ? {} : { olderThan: momentOf(olderThan) }) }
        await confirmed(flags, `Remove old checkpoints of ${threads.length} threads?`)
        const result = await client.lineages.prune(flags.namespace, { threads, ...rules })
        show(flags, result, () => `${result.removed} checkpoints removed, ${result.rewritten} stored anew.`)
      }),
    )

  withNamespace(lineages.command('copy'))
    .description('Copy a thread, with its checkpoints and writes, under a free name')
    .argument('<from>')
    .argument('<to>')
    .action((from: string, to: string, flags: NamespaceFlags) =>
      runWithClient(flags, async (client) => {
        const copied = await client.lineages.copy(flags.namespace, from, to)
        show(flags, copied, () => `${from} is copied to ${to}.`)
      }),
    )

  withNamespace(lineages.command('delete'))
    .description('Delete a thread with its checkpoints and writes')
    .argument('<thread>')
    .option('--yes', 'do not ask')
    .action((thread: string, flags: NamespaceFlags & { yes?: boolean }) =>
      runWithClient(flags, async (client) => {
        await confirmed(flags, `Delete the thread ${JSON.stringify(thread)} with all its checkpoints?`)
        const result = await client.lineages.delete(flags.namespace, thread)
        show(flags, result, () => (result.deleted ? `${thread} is deleted.` : `There is no thread ${thread}.`))
      }),
    )
}

function withNamespace(command: Command): Command {
  return withClientFlags(command).option('--namespace <name>', 'where the threads are', 'default')
}

function momentOf(text: string): string {
  const [, count, unit] = /^(\d{1,6})([mhdw])$/.exec(text) ?? []
  const time = count === undefined ? Date.parse(text) : Date.now() - Number(count) * (UNITS[unit ?? ''] ?? 0)
  if (!Number.isFinite(time)) throw new CairnError('INVALID_OPTION', `--older-than: ${JSON.stringify(text)} is neither a time span such as 30d, 12h, 90m or 2w nor an ISO date.`, { details: { option: 'older-than' } })
  return new Date(time).toISOString()
}
