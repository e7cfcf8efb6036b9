/** `npm run bench -- <scenario> [--json] [--quick]`: compares with peers in one run and saves a record in bench/results/. */
import { printRecord, saveRecord, type BenchRecord } from './record.ts'

const SCENARIOS: Readonly<Record<string, () => Promise<{ run(options: { quick: boolean; say(line: string): void }): Promise<BenchRecord> }>>> = {
  events: () => import('./events/events-bench.ts'),
  state: () => import('./state/state-bench.ts'),
  tasks: () => import('./tasks/tasks-bench.ts'),
  checkpoints: () => import('./checkpoints/checkpoints-bench.ts'),
  messages: () => import('./messages/messages-bench.ts'),
}

const parameters = process.argv.slice(2)
const json = parameters.includes('--json')
const scenario = parameters.find((parameter) => !parameter.startsWith('--'))
const load = scenario === undefined ? undefined : SCENARIOS[scenario]
if (load === undefined) {
  console.error(`Say which scenario: npm run bench -- <${Object.keys(SCENARIOS).join('|')}> [--json] [--quick]`)
  process.exit(2)
}

const say = (line: string): void => {
  if (!json) console.error(line)
}
const record = await (await load()).run({ quick: parameters.includes('--quick'), say })
const path = saveRecord(record)
if (json) console.log(JSON.stringify(record, null, 2))
else {
  printRecord(record)
  console.log(`\nRecord: ${path}`)
}
