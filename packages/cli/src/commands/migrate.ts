import { isCairnError } from '@cairn/core'
import {
  loadMigrations, migrateDown, migrateUp, type MigrateResult, type Migration, type MigrationProgress, migrationStatus, type MigrationStep,
  newMigration, type SqlEngine, verifyMigrations,
} from '@cairn/core/internal'
import { confirm, isCancel } from '@clack/prompts'
import { type Command, InvalidArgumentError } from 'commander'
import type { EngineFlags } from '../engine-flags.ts'
import { openEngineFromFlags } from '../open-engine.ts'
import { problemLines, statusTable } from './migrate-tables.ts'

const OK = 0
const FAILED = 1
const REFUSED = 2
const PENDING = 3

const EXIT_CODES = `
Exit codes:
  0  done, or nothing to do
  1  it failed, or \`verify\` found problems
  2  wrong usage, or refused (\`down\` without a terminal and without --yes)
  3  \`status --exit-code\`: there are pending migrations`

interface Flags extends EngineFlags {
  readonly json?: boolean
  readonly dir?: string
  readonly environment?: string
  readonly dryRun?: boolean
  readonly to?: string
  readonly steps?: number
  readonly yes?: boolean
  readonly exitCode?: boolean
}

/** Adds `cairn migrate up|down|status|verify|new`. */
export function registerMigrateCommands(program: Command): void {
  const migrate = program
    .command('migrate')
    .description("Bring the database's schema up to date, take it back, and check it")
    .addHelpText('after', EXIT_CODES)

  withFlags(migrate.command('up'), 'Apply what is pending')
    .option('--to <version>', 'stop after this version (default: the newest)')
    .option('--dry-run', 'print the SQL and change nothing')
    .action((flags: Flags) =>
      run(flags, async (engine) => {
        const result = await migrateUp(engine, { ...common(flags), ...only({ to: flags.to, migrations: await migrationsOf(flags) }) })
        return report(flags, result, 'The database is up to date.')
      }),
    )

  withFlags(migrate.command('down'), 'Roll back, newest first')
    .option('--to <version>', 'keep this version and all before it; 0 rolls back everything')
    .option('--steps <n>', 'how many to roll back (default: 1)', wholeNumber)
    .option('--dry-run', 'print the SQL and change nothing')
    .option('--yes', 'do not ask')
    .action((flags: Flags) =>
      run(flags, async (engine) => {
        const target = only({ to: flags.to, steps: flags.steps })
        const plan = await migrateDown(engine, { ...target, dryRun: true })
        if (flags.dryRun === true || plan.steps.length === 0) return report(flags, plan, 'There is nothing to roll back.')
        if (flags.yes !== true && !(await agreed(plan.steps))) return REFUSED
        return report(flags, await migrateDown(engine, { ...common(flags), ...target }), 'There was nothing to roll back.')
      }),
    )

  withFlags(migrate.command('status'), 'List the migrations and what the database has of them')
    .option('--exit-code', 'exit with 3 when migrations are pending')
    .action((flags: Flags) =>
      run(flags, async (engine) => {
        const status = await migrationStatus(engine, only({ environment: flags.environment, migrations: await migrationsOf(flags) }))
        print(flags, status, () => statusTable(status))
        return flags.exitCode === true && status.pending > 0 ? PENDING : OK
      }),
    )

  withFlags(migrate.command('verify'), 'Check that the migration files are those that were applied').action((flags: Flags) =>
    run(flags, async (engine) => {
      const result = await verifyMigrations(engine, only({ environment: flags.environment, migrations: await migrationsOf(flags) }))
      print(flags, result, () => (result.ok ? 'The database and the migration files agree.' : problemLines(result.problems)))
      return result.ok ? OK : FAILED
    }),
  )

  usageErrors(migrate.command('new').description('Write an empty migration with the next number and version'))
    .argument('<name>', 'lower-case words joined by _, e.g. add_tags')
    .option('--dir <dir>', "directory of the migrations (default: the package's own)")
    .option('--json', 'print JSON')
    .action((name: string, flags: Flags) =>
      guarded(flags, async () => {
        const path = await newMigration(flags.dir, name)
        print(flags, { path }, () => path)
        return OK
      }),
    )
}

function withFlags(command: Command, description: string): Command {
  return usageErrors(command)
    .description(description)
    .option('--postgres <url>', 'the database (default: DATABASE_URL or PG_*, else PGlite)')
    .option('--data-dir <dir>', 'where PGlite keeps its files, in its folder pg (default: .cairn)')
    .option('--dir <dir>', "directory of the migrations (default: the package's own)")
    .option('--environment <name>', "recorded with each migration; those meant for others are left out (default: 'production')")
    .option('--json', 'print JSON')
    .addHelpText('after', EXIT_CODES)
}

/** Commander ends with 1 for a wrong flag; here 1 means that the work failed. */
function usageErrors(command: Command): Command {
  return command.exitOverride((error) => process.exit(error.exitCode === 0 ? OK : REFUSED))
}

async function run(flags: Flags, work: (engine: SqlEngine) => Promise<number>): Promise<void> {
  await guarded(flags, async () => {
    const engine = await openEngineFromFlags(flags, (what) => console.error(what))
    try {
      return await work(engine)
    } finally {
      await engine.close()
    }
  })
}

async function guarded(flags: Flags, work: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await work()
  } catch (error) {
    const known = isCairnError(error)
    const { code, message, details } = known ? error : { code: 'UNKNOWN', message: error instanceof Error ? error.message : String(error), details: {} }
    if (flags.json === true) console.log(JSON.stringify({ error: { code, message, details } }, null, 2))
    else console.error(`${code}: ${message}`)
    process.exitCode = known && (error.code === 'INVALID_ARGUMENT' || error.code === 'INVALID_OPTION') ? REFUSED : FAILED
  }
}

function common(flags: Flags) {
  return {
    dryRun: flags.dryRun ?? false,
    ...only({ environment: flags.environment }),
    ...(flags.json === true ? {} : { onProgress: showProgress }),
  }
}

function showProgress({ state, direction, version, file, done, total }: MigrationProgress): void {
  const verb = direction === 'up' ? 'applying' : 'rolling back'
  if (state === 'started') console.error(`[${done + 1}/${Math.max(total, done + 1)}] ${verb} ${version} ${file}`)
}

async function migrationsOf(flags: Flags): Promise<Migration[] | undefined> {
  return flags.dir === undefined ? undefined : loadMigrations(flags.dir)
}

function report(flags: Flags, result: MigrateResult, nothing: string): number {
  print(flags, result, () => {
    if (result.steps.length === 0) return nothing
    if (result.dryRun) return result.steps.map(asScript).join('\n')
    const total = result.steps.reduce((sum, step) => sum + step.executionMs, 0)
    const count = `${result.steps.length} migration${result.steps.length === 1 ? '' : 's'}`
    const verb = result.steps[0]?.direction === 'up' ? 'applied' : 'rolled back'
    return `${count} ${verb} in ${total} ms; the database is at ${result.current ?? 'nothing'}.`
  })
  return OK
}

function asScript({ file, version, direction, transactional, sql }: MigrationStep): string {
  const [begin, end] = transactional ? ['BEGIN;\n', '\nCOMMIT;'] : ['', '']
  return `-- ${file} (${version}, ${direction})${transactional ? '' : ', statement by statement'}\n${begin}${sql.trim()}${end}\n`
}

function print(flags: Flags, value: object, text: () => string): void {
  console.log(flags.json === true ? JSON.stringify(value, null, 2) : text())
}

async function agreed(steps: readonly MigrationStep[]): Promise<boolean> {
  const list = steps.map(({ version, name }) => `${version} ${name}`).join(', ')
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    console.error(`This would roll back ${list} and delete what they hold. There is no terminal to ask on: pass --yes.`)
    return false
  }
  const answer = await confirm({ message: `Roll back ${list}? What these hold is deleted.`, initialValue: false })
  return !isCancel(answer) && answer
}

function wholeNumber(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('It must be a whole number of at least 1.')
  return value
}

/** Leaves out what was not given: an absent option and an undefined one are not the same. */
function only<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> }
}
