import Table, { type TableConstructorOptions } from 'cli-table3'
import { EXIT } from './exit-codes.ts'

export interface OutputFlags {
  readonly json?: boolean
}

/** Columns without a frame: they can be read, searched and cut. */
const PLAIN: TableConstructorOptions = {
  style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  chars: {
    top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '',
    left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ',
  },
}

/** One line on stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** `value` as JSON with `--json`, else what `text` makes of it for people. */
export function show(flags: OutputFlags, value: unknown, text: () => string): void {
  print(flags.json === true ? JSON.stringify(value, null, 2) : text())
}

/** Rows below a heading; `none` when there are no rows. */
export function table(head: readonly string[], rows: readonly (readonly unknown[])[], none = 'none'): string {
  if (rows.length === 0) return none
  const grid = new Table({ head: [...head], ...PLAIN })
  for (const row of rows) grid.push(row.map(cell))
  return trimmed(grid)
}

/** One thing, a field a row; fields without a value are left out. */
export function record(fields: Readonly<Record<string, unknown>>): string {
  const grid = new Table(PLAIN)
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined && value !== null && value !== '') grid.push([name, cell(value)])
  }
  return trimmed(grid)
}

function trimmed(grid: { toString(): string }): string {
  return grid.toString().replaceAll(/ +$/gm, '')
}

/** Cuts a text to one line of at most `most` characters. */
export function oneLine(text: string, most = 80): string {
  const line = text.replaceAll(/\s+/g, ' ')
  const points = [...line]
  return points.length > most ? `${points.slice(0, most - 1).join('')}…` : line
}

/** A number of milliseconds for people. */
export function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}

function cell(value: unknown): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

export function isVerbose(): boolean {
  return process.argv.includes('--verbose') || ['1', 'true'].includes(process.env['CAIRN_DEBUG'] ?? '')
}

/** Says what went wrong and what to do (a JSON object on stdout with `--json`); returns the exit code. */
export async function printError(error: unknown, flags: OutputFlags = {}): Promise<number> {
  const { ERROR_CODES, isCairnError } = await import('@cairn/core')
  const known = isCairnError(error) ? error : undefined
  const code = known?.code ?? 'UNKNOWN'
  const message = error instanceof Error ? error.message : String(error)
  if (flags.json === true) print(JSON.stringify({ error: { code, message, details: known?.details ?? {} } }, null, 2))
  else process.stderr.write(`error [${code}] ${message}\n${ERROR_CODES[code].remedy}\n`)
  if (isVerbose()) process.stderr.write(`${stackOf(error)}\n`)
  return code === 'INVALID_ARGUMENT' || code === 'INVALID_OPTION' ? EXIT.usage : EXIT.failed
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return `${error.stack ?? error.message}${error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`}`
}

/** Runs a command: its result is the exit code, an error is printed. */
export async function run(flags: OutputFlags, work: () => Promise<number | void>): Promise<void> {
  try {
    process.exitCode = (await work()) ?? EXIT.ok
  } catch (error) {
    process.exitCode = await printError(error, flags)
  }
}
