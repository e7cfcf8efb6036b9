import { type Command, Option } from 'commander'
import type { Finding } from '../doctor/finding.ts'
import { runChecks } from '../doctor/run-checks.ts'
import { type EngineFlags, optionsFromFlags, wholeNumber, withEngineFlags } from '../engine-flags.ts'
import { EXIT } from '../exit-codes.ts'
import { print, run, show } from '../output.ts'

interface DoctorFlags extends EngineFlags {
  readonly port: number
  readonly host: string
  readonly json?: boolean
  readonly strict?: boolean
}

const MARKS = { ok: '✔', warn: '!', fail: '✘' } as const

/** Adds `cairn doctor`. */
export function registerDoctorCommand(program: Command): void {
  withEngineFlags(program.command('doctor'))
    .description('Check the set-up and say how to mend it')
    .addOption(new Option('--port <n>', 'the port that `start` will use').env('CAIRN_PORT').argParser(wholeNumber(0, 65_535)).default(4100))
    .addOption(new Option('--host <h>', 'the address that `start` will use').env('CAIRN_HOST').default('127.0.0.1'))
    .option('--strict', 'exit with 3 when there are warnings')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExit codes: 0 all fine, 1 something fails, 3 warnings with --strict.')
    .action((flags: DoctorFlags) => run(flags, () => doctor(flags)))
}

async function doctor(flags: DoctorFlags): Promise<number> {
  const onFinding = (finding: Finding): void => (flags.json === true ? undefined : print(lines(finding)))
  const findings = await runChecks(optionsFromFlags(flags), { host: flags.host, port: flags.port }, onFinding)
  const count = (status: Finding['status']): number => findings.filter((finding) => finding.status === status).length
  const [failures, warnings] = [count('fail'), count('warn')]
  show(flags, { ok: failures === 0, failures, warnings, findings }, () => (failures + warnings === 0 ? '\nAll is well.' : `\n${failures} failed, ${warnings} to look at.`))
  if (failures > 0) return EXIT.failed
  return warnings > 0 && flags.strict === true ? EXIT.attention : EXIT.ok
}

function lines({ status, check, what, why, mend }: Finding): string {
  const more = [why, mend].filter((text) => text !== null).map((text, index) => `\n    ${index === 0 ? '' : '→ '}${text}`)
  return `${MARKS[status]} ${check}: ${what}${more.join('')}`
}
