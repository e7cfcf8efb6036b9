/** A process with an open Cairn, for the chaos tests of schedules. Its argument is the options, as JSON. It prints `ready`, and the number of each term in which it leads. */
import { open } from '@cairn/core'

const logger = {
  debug(fields: unknown, message?: string): void {
    const { duty, term } = fields as { duty?: string; term?: number }
    if (message === 'leads' && duty === 'schedules') process.stdout.write(`${term}\n`)
  },
  info(): void {},
  warn(): void {},
  error(): void {},
}
await open({ ...JSON.parse(process.argv[2] ?? '{}'), migrate: 'check', logger })
process.stdout.write('ready\n')
setInterval(() => undefined, 1000)
