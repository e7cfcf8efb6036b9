/** `npm run bench -- <scenario> [FILE...] [--json] [--quick] [--sizes=1000,100000]`: compares with peers in one run and saves a record in bench/results/. */
import type { BenchOptions } from './options.ts'
import { printRecord, saveRecord, type BenchRecord } from './record.ts'

const SCENARIOS: Readonly<Record<string, () => Promise<{ run(options: BenchOptions): Promise<BenchRecord> }>>> = {
  events: () => import('./events/events-bench.ts'),
  state: () => import('./state/state-bench.ts'),
  tasks: () => import('./tasks/tasks-bench.ts'),
  checkpoints: () => import('./checkpoints/checkpoints-bench.ts'),
  recall: () => import('./recall/recall-bench.ts'),
  messages: () => import('./messages/messages-bench.ts'),
}

const parameters = process.argv.slice(2)
const json = parameters.includes('--json')
const [scenario, ...files] = parameters.filter((parameter) => !parameter.startsWith('--'))
const sizes = parameters.find((parameter) => parameter.startsWith('--sizes='))?.slice(8).split(',').map(Number)
const load = scenario === undefined ? undefined : SCENARIOS[scenario]
if (load === undefined) {
  console.error(`Say which scenario: npm run bench -- <${Object.keys(SCENARIOS).join('|')}> [--json] [--quick]`)
  process.exit(2)
}

const say = (line: string): void => {
  if (!json) console.error(line)
}
const record = await (await load()).run({ quick: parameters.includes('--quick'), say, files, sizes })
const path = saveRecord(record)
if (json) console.log(JSON.stringify(record, null, 2))
else {
  printRecord(record)
  console.log(`\nRecord: ${path}`)
}
