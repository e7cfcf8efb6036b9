import { text as textOf } from 'node:stream/consumers'
import { CairnError } from '@cairn/core'
import { type Command, Option } from 'commander'
import { runWithClient, withClient } from '../client/open-client.ts'
import type { WriteOptions } from '../client/cairn-client.ts'
import { confirmed } from '../confirm.ts'
import { type ClientFlags, wholeNumber, withClientFlags } from '../engine-flags.ts'
import { oneLine, record, run, show, table } from '../output.ts'
import { addLifecycleCommands } from './state-lifecycle.ts'
import { registerStatePolicyCommands } from './state-policies.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

interface WriteFlags extends ClientFlags {
  readonly ack?: 'hot' | 'durable'
  readonly ifRevision?: number
}

/** Adds `cairn state list|get|set|delete|policies` and those of the lifecycle. */
export function registerStateCommands(program: Command): void {
  const state = program.command('state').description("Read and write an agent's state")
  registerStatePolicyCommands(state)

  addLifecycleCommands(state)

  withClientFlags(withPageFlags(state.command('list')))
    .description("List an agent's keys in order, with their values")
    .argument('<agent>', 'id or key')
    .option('--prefix <text>', 'only keys that begin with it')
    .action((agent: string, flags: ClientFlags & PageFlags & { prefix?: string }) =>
      runWithClient(flags, async (client) => {
        const page = await client.state.list(agent, { ...pageFrom(flags), ...(flags.prefix === undefined ? {} : { prefix: flags.prefix }) })
        show(flags, page, () => {
          const rows = page.items.map(({ key, value, revision, updatedAt }) => [key, oneLine(JSON.stringify(value), 60), revision, updatedAt])
          return table(['key', 'value', 'revision', 'updated'], rows, 'This agent has no state.') + moreLine(page)
        })
      }),
    )

  withClientFlags(state.command('get'))
    .description('Show the value of a key')
    .argument('<agent>', 'id or key')
    .argument('<key>')
    .action((agent: string, key: string, flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const entry = await client.state.get(agent, key)
        if (entry === undefined) throw new CairnError('NOT_FOUND', `Agent ${agent} has no state ${JSON.stringify(key)}. \`cairn state list ${agent}\` shows what it has.`, { details: { agent, key } })
        show(flags, entry, () => record({ key: entry.key, value: JSON.stringify(entry.value, null, 2), revision: entry.revision, updated: entry.updatedAt, expires: entry.expiresAt }))
      }),
    )

  withWriteFlags(state.command('set'))
    .description('Set a key')
    .argument('<agent>', 'id or key')
    .argument('<key>')
    .argument('<json>', `the value, e.g. '{"step":1}' or '"text"'; - reads it from stdin`)
    .action((agent: string, key: string, json: string, flags: WriteFlags) =>
      run(flags, async () => {
        // Read before anything is opened: a typing error should cost nothing.
        const value = parseValue(json === '-' ? await textOf(process.stdin) : json)
        await withClient(flags, async (client) => {
          const result = await client.state.set(agent, key, value, writeOptions(flags))
          show(flags, { key, ...result }, () => `${key} ${result.outcome === 'stale' ? 'stays as it was, as a newer write is there,' : 'is'} at revision ${result.revision}.`)
        })
      }),
    )

  withWriteFlags(state.command('delete'))
    .description('Delete a key')
    .argument('<agent>', 'id or key')
    .argument('<key>')
    .option('--yes', 'do not ask')
    .action((agent: string, key: string, flags: WriteFlags & { yes?: boolean }) =>
      runWithClient(flags, async (client) => {
        await confirmed(flags, `Delete state ${JSON.stringify(key)} of agent ${agent}?`)
        const result = await client.state.delete(agent, key, writeOptions(flags))
        show(flags, { key, ...result }, () => (result.deleted ? `${key} is deleted.` : `There was no ${key}.`))
      }),
    )
}

function withWriteFlags(command: Command): Command {
  return withClientFlags(command)
    .option('--if-revision <n>', 'only if the key is at this revision; 0: only if it does not exist', wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .addOption(new Option('--ack <when>', 'wait for the hot tier, or until PostgreSQL has committed').choices(['hot', 'durable']))
}

/** What was not given is left to the library. */
function writeOptions(flags: WriteFlags): WriteOptions {
  return { ...(flags.ack === undefined ? {} : { ack: flags.ack }), ...(flags.ifRevision === undefined ? {} : { ifRevision: flags.ifRevision }) }
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    const hint = /^[\w .-]*$/.test(text) ? ` A text needs quotes of its own: '${JSON.stringify(text)}'.` : ''
    throw new CairnError('INVALID_ARGUMENT', `json: ${oneLine(text)} is not JSON: ${(cause as Error).message}.${hint}`, { cause, details: { field: 'json' } })
  }
}
