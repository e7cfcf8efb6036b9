import { type CairnOptions, CairnError, open } from '@cairn/core'
import type { Command } from 'commander'
import { readEncryption } from '../encryption-key-file.ts'
import { type EngineFlags, optionsFromFlags, wholeNumber, withEngineFlags } from '../engine-flags.ts'
import { EXIT } from '../exit-codes.ts'
import { onStopSignal } from '../graceful-stop.ts'
import type { ImportMode } from '../import/langgraph/import-threads.ts'
import { OfficialTables } from '../import/langgraph/official-tables.ts'
import type { ImportReport } from '../import/langgraph/report.ts'
import { runImport } from '../import/langgraph/run-import.ts'
import { duration, isVerbose, run, show, table } from '../output.ts'
import { StatusLine } from '../status-line.ts'

const STOP_LIMIT_MS = 30_000
const SHOWN_PROBLEMS = 20

interface Flags extends EngineFlags {
  readonly schema: string
  readonly namespace: string
  readonly thread?: string[]
  readonly batch: number
  readonly store?: boolean
  readonly storeNamespace: string
  readonly checkpoints: boolean
  readonly encryptionKeyFile?: string
  readonly dryRun?: boolean
  readonly verify?: boolean
  readonly strict?: boolean
  readonly json?: boolean
}

/** Adds `cairn import langgraph`. */
export function addLangGraphImport(group: Command): void {
  withEngineFlags(group.command('langgraph'))
    .description("Import the checkpoints of LangGraph's PostgresSaver, and the items of its PostgresStore; nothing is changed there")
    .argument('<url>', 'the database they are in, postgres://user:password@host:5432/database')
    .option('--schema <name>', 'the schema they are in', 'public')
    .option('--namespace <name>', 'the namespace of the CairnCheckpointSaver that will read them', 'default')
    .option('--thread <id...>', 'only these threads (default: all)')
    .option('--batch <n>', 'checkpoints read at once, 1 to 1000', wholeNumber(1, 1000), 100)
    .option('--store', 'the items of PostgresStore too')
    .option('--store-namespace <name>', 'the namespace of the CairnStore that will read them', 'langgraph')
    .option('--no-checkpoints', 'with --store: the items alone')
    .option('--encryption-key-file <file>', 'encrypt with these keys: JSON { "activeKey": "id", "keys": { "id": "32 bytes in base64" } }')
    .option('--dry-run', 'read and check everything, write nothing')
    .option('--verify', 'compare both sides, write nothing')
    .option('--strict', 'stop at the first checkpoint that cannot be carried over')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nIt may be run again, also after it was interrupted: what is there already is not written again, and what was added there since is.\nExit code 1: something was not carried over, or differs.')
    .action((url: string, flags: Flags) => run(flags, () => importLangGraph(url, flags)))
}

async function importLangGraph(url: string, flags: Flags): Promise<number> {
  const startedAt = performance.now()
  if (flags.dryRun === true && flags.verify === true) throw new CairnError('INVALID_OPTION', '--dry-run and --verify do not go together: both write nothing.', { details: { option: 'verify' } })
  if (!flags.checkpoints && flags.store !== true) throw new CairnError('INVALID_OPTION', '--no-checkpoints without --store leaves nothing to import.', { details: { option: 'checkpoints' } })
  if (!/^postgres(ql)?:\/\//.test(url)) throw new CairnError('INVALID_OPTION', 'The database must be given as postgres://user:password@host:5432/database.', { details: { option: 'url' } })
  const mode: ImportMode = flags.verify === true ? 'verify' : flags.dryRun === true ? 'dry-run' : 'import'
  const encryption = flags.encryptionKeyFile === undefined ? undefined : await readEncryption(flags.encryptionKeyFile)
  const stopped = onStopSignal(STOP_LIMIT_MS, (text) => process.stderr.write(`${text}\n`))
  const line = new StatusLine()
  const source = await OfficialTables.open(url, flags.schema)
  let report: ImportReport
  try {
    if (flags.checkpoints) await source.checkCheckpoints()
    if (flags.store === true) await source.checkStore()
    const checkpoints = flags.checkpoints ? (await source.counts()).checkpoints : 0
    const total = checkpoints + (flags.store === true ? await source.storeCount() : 0)
    const options: CairnOptions = { actor: { kind: 'system', id: 'cli' }, ...optionsFromFlags(flags) }
    const cairn = await open({ ...options, onProgress: (step) => line.spin(`${step} …`) }).finally(() => line.clear())
    try {
      report = await runImport({
        source,
        cairn,
        namespace: flags.namespace === '' ? 'default' : flags.namespace,
        ...(encryption === undefined ? {} : { encryption }),
        ...(flags.thread === undefined ? {} : { threads: flags.thread }),
        ...(flags.store === true ? { store: flags.storeNamespace } : {}),
        checkpoints: flags.checkpoints,
        batch: flags.batch,
        mode,
        strict: flags.strict ?? false,
        signal: stopped,
        onProgress: progressOn(line, flags.thread === undefined ? total : 0),
      })
    } finally {
      line.clear()
      await cairn.close()
    }
  } finally {
    line.clear()
    await source.close()
  }
  const ms = Math.round(performance.now() - startedAt)
  const { threads, checkpoints, writes, items, newerHere, problems } = report
  const answer = { ok: report.failed === 0 && !stopped.aborted, mode, interrupted: stopped.aborted, threads, checkpoints, writes, ...(flags.store === true ? { items, newerHere } : {}), problems, ms }
  show(flags, answer, () => summary(report, mode, flags, ms))
  if (stopped.aborted) {
    process.stderr.write('Interrupted. Run the same command again: it continues where it stopped, and nothing is doubled.\n')
    return stopped.reason === 'SIGTERM' ? EXIT.terminated : EXIT.interrupted
  }
  return report.failed > 0 ? EXIT.failed : EXIT.ok
}

/** A bar on a terminal; elsewhere nothing, or a line a hundred checkpoints with --verbose. */
function progressOn(line: StatusLine, total: number): (report: ImportReport, doing: string) => void {
  return ({ checkpoints, items }, doing) => {
    const done = checkpoints.written + checkpoints.same + checkpoints.failed + items.written + items.same + items.failed
    if (total > 0) line.bar(done, total, doing)
    else line.spin(`${done} ${doing}`)
    if (!line.visible && isVerbose() && done % 100 === 0) process.stderr.write(`${done}${total > 0 ? `/${total}` : ''}: ${doing}\n`)
  }
}

const WRITTEN: Readonly<Record<ImportMode, string>> = { import: 'written', 'dry-run': 'would be written', verify: '' }

function summary(report: ImportReport, mode: ImportMode, flags: Flags, ms: number): string {
  const { checkpoints, items, problems, threads, newerHere, failed } = report
  const rows = [['checkpoints', checkpoints] as const, ['items of the store', items] as const].filter(([kind]) => (kind === 'checkpoints' ? flags.checkpoints : flags.store === true))
  const heads = mode === 'verify' ? ['', 'found', 'the same', 'missing or different'] : ['', 'found', WRITTEN[mode], 'there already', 'not carried over']
  const lines = [table(heads, rows.map(([kind, count]) => [kind, count.found, ...(mode === 'verify' ? [] : [count.written]), count.same, count.failed].map(String)))]
  if (flags.checkpoints) lines.push(`${threads} threads in ${duration(ms)}, with ${report.writes} pending writes.`)
  if (newerHere > 0) lines.push(`${newerHere} items were changed in Cairn later than there, and stay as they are.`)
  for (const { thread, path, checkpoint, namespace, key, code, message } of problems.slice(0, SHOWN_PROBLEMS)) {
    lines.push(`[${code}] ${thread === undefined ? `${namespace}/${key}` : `${thread}${path === '' ? '' : ` ${path}`} ${checkpoint}`}: ${message}`)
  }
  if (failed > SHOWN_PROBLEMS) lines.push(`… and ${failed - SHOWN_PROBLEMS} more: --json lists a thousand.`)
  if (mode === 'verify' && failed === 0) lines.push('Both sides are the same.')
  return lines.join('\n')
}
