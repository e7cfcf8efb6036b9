import { SAGA_STATUSES, type SagaStatus } from '@cairn/core'
import { type Command, Option } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { confirmed } from '../confirm.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { oneLine, record, show, table } from '../output.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

interface ListFlags extends ClientFlags, PageFlags {
  readonly status?: SagaStatus
  readonly name?: string
}

interface ResolveFlags extends ClientFlags {
  readonly outcome: 'completed' | 'compensated'
  readonly note?: string
  readonly yes?: boolean
}

/** Adds `cairn sagas list|show|retry|skip|resolve`. */
export function registerSagasCommands(program: Command): void {
  const sagas = program.command('sagas').description('Work in several steps that ends completed or compensated')

  withClientFlags(withPageFlags(sagas.command('list')))
    .description('List sagas, newest first')
    .addOption(new Option('--status <status>', 'only these; manual_intervention waits for you').choices([...SAGA_STATUSES]))
    .option('--name <name>', 'only of this definition')
    .action((flags: ListFlags) =>
      runWithClient(flags, async (client) => {
        const { status, name } = flags
        const page = await client.sagas.list({ ...pageFrom(flags), ...(status === undefined ? {} : { status }), ...(name === undefined ? {} : { name }) })
        show(flags, page, () => {
          const rows = page.items.map((saga) => [saga.id, saga.name, saga.status, saga.failedStep, saga.error?.code, saga.createdAt])
          return table(['id', 'name', 'status', 'failed step', 'error', 'started'], rows, 'There are no such sagas.') + moreLine(page)
        })
      }),
    )

  withClientFlags(sagas.command('show'))
    .description('Show a saga with its steps')
    .argument('<id>')
    .action((id: string, flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const saga = await client.sagas.get(id)
        show(flags, saga, () => {
          const { steps, error, input, ...rest } = saga
          const rows = steps.map((step) => [step.number, step.name, step.kind, step.status, step.attempts, step.target, step.error === null ? '' : oneLine(`${step.error.code}: ${step.error.message}`, 100)])
          const told = { ...rest, input: oneLine(JSON.stringify(input), 90), error: error === null ? null : `${error.code}: ${error.message}` }
          return `${record(told)}\n\n${table(['#', 'step', 'kind', 'status', 'tries', 'target', 'error'], rows)}`
        })
      }),
    )

  withClientFlags(sagas.command('retry'))
    .description('Try the step again that stopped a saga, after its cause is mended')
    .argument('<id>')
    .action((id: string, flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const saga = await client.sagas.retry(id)
        show(flags, saga, () => `Saga ${saga.id} goes on (${saga.status}), in a process that has defined ${saga.name}.`)
      }),
    )

  withClientFlags(sagas.command('skip'))
    .description('Leave the step that stopped a saga as it is, and go on')
    .argument('<id>')
    .option('--yes', 'do not ask')
    .action((id: string, flags: ClientFlags & { yes?: boolean }) =>
      runWithClient(flags, async (client) => {
        await confirmed(flags, `Leave the step that stopped saga ${id} as it is?`)
        const saga = await client.sagas.skip(id)
        show(flags, saga, () => `Saga ${saga.id} goes on (${saga.status}), in a process that has defined ${saga.name}.`)
      }),
    )

  withClientFlags(sagas.command('resolve'))
    .description('End a saga whose rest was done by hand')
    .argument('<id>')
    .addOption(new Option('--outcome <outcome>', 'what was brought about').choices(['completed', 'compensated']).makeOptionMandatory())
    .option('--note <text>', 'why, for those who read it later')
    .option('--yes', 'do not ask')
    .action((id: string, flags: ResolveFlags) =>
      runWithClient(flags, async (client) => {
        await confirmed(flags, `End saga ${id} as ${flags.outcome}? Nothing more of it will be run.`)
        const saga = await client.sagas.resolve(id, { outcome: flags.outcome, ...(flags.note === undefined ? {} : { note: flags.note }) })
        show(flags, saga, () => `Saga ${saga.id} is ${saga.status}, by ${saga.resolvedBy}.`)
      }),
    )
}
