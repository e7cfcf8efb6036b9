import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'

/** One figure of ours beside the figure it is compared with. */
export interface Comparison {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly peer?: string
  readonly peerValue?: number
  /** value / peerValue */
  readonly ratio?: number
  /** What is promised; the run says whether it was met. */
  readonly target?: string
  readonly met?: boolean
}

export interface BenchRecord {
  readonly scenario: string
  readonly date: string
  readonly commit: string
  readonly command: string
  readonly machine: { readonly cores: number; readonly model: string; readonly memoryGiB: number; readonly node: string }
  readonly versions: Readonly<Record<string, string>>
  readonly configuration: Readonly<Record<string, unknown>>
  /** Every figure, all rounds, operations a second unless the name says otherwise. */
  readonly rounds: Readonly<Record<string, readonly number[]>>
  readonly comparisons: readonly Comparison[]
}

export function makeRecord(scenario: string, parts: Pick<BenchRecord, 'versions' | 'configuration' | 'rounds' | 'comparisons'>): BenchRecord {
  return {
    scenario,
    date: new Date().toISOString(),
    commit: git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') === '' ? '' : '+changes'),
    // Where the files lay on the machine that measured says nothing to others.
    command: `npm run bench -- ${process.argv.slice(2).map((argument) => (argument.startsWith('-') ? argument : basename(argument))).join(' ')}`,
    machine: { cores: cpus().length, model: cpus()[0]?.model ?? 'unknown', memoryGiB: Math.round(totalmem() / 2 ** 30), node: process.version },
    ...parts,
  }
}

/** Writes the record to bench/results/ and returns its path. */
export function saveRecord(record: BenchRecord): string {
  const folder = fileURLToPath(new URL('./results/', import.meta.url))
  mkdirSync(folder, { recursive: true })
  const name = `${record.date.slice(0, 19).replaceAll(':', '')}-${record.scenario}-${record.commit.replace('+', '-')}.json`
  writeFileSync(folder + name, `${JSON.stringify(record, null, 2)}\n`)
  return `bench/results/${name}`
}

export function printRecord(record: BenchRecord): void {
  const width = Math.max(...record.comparisons.map((row) => row.name.length))
  for (const row of record.comparisons) {
    const value = `${format(row.value)} ${row.unit}`.padStart(16)
    const beside = row.peer === undefined ? '' : `  ${row.ratio?.toFixed(2)} × ${row.peer} (${format(row.peerValue as number)})`
    const verdict = row.target === undefined ? '' : `  ${row.met === true ? '✓' : '✗'} ${row.target}`
    console.log(`${row.name.padEnd(width)} ${value}${beside}${verdict}`)
  }
}

function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(1)
}

function git(...parameters: string[]): string {
  try {
    return execFileSync('git', parameters, { encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}
