/**
 * A process that writes state as told, one JSON command a line on stdin, one JSON answer a line on stdout. Its argument is
 * JSON: { options, agentId }. `forever` never answers: it prints `+` for each acknowledged increment, and `?` for one
 * whose outcome it does not know, until it is killed.
 */
import { createInterface } from 'node:readline'
import { isCairnError, open } from '../../../src/index.ts'

export interface Command {
  readonly do: 'increment' | 'set' | 'add' | 'get' | 'forever' | 'flush' | 'close'
  readonly key?: string
  readonly values?: readonly unknown[]
  readonly times?: number
}

const { options, agentId } = JSON.parse(process.argv[2] ?? '{}')
const cairn = await open(options)
cairn.state.merges.define('union', (a, b) => [...new Set([...(a.value as string[]), ...(b.value as string[])])].sort())
const say = (answer: unknown): void => void process.stdout.write(`${JSON.stringify(answer)}\n`)

async function run({ do: what, key = '', values = [], times = 0 }: Command): Promise<unknown> {
  switch (what) {
    case 'increment':
      await Promise.all(Array.from({ length: times }, () => cairn.state.crdt(agentId, key).increment(1)))
      return times
    case 'set': {
      const outcomes: unknown[] = []
      for (const value of values) outcomes.push((await cairn.state.set(agentId, key, value)).outcome ?? null)
      return outcomes
    }
    case 'add':
      for (const value of values) await cairn.state.crdt(agentId, key).add(value)
      return values.length
    case 'get':
      return (await cairn.state.get(agentId, key)) ?? null
    case 'flush':
      return cairn.state.flush().then(() => 'flushed')
    case 'close':
      return cairn.close().then(() => 'closed')
    case 'forever':
      for (;;) {
        try {
          await cairn.state.crdt(agentId, key).increment(1)
          process.stdout.write('+\n')
        } catch (error) {
          if (!isCairnError(error, 'VERSION_CONFLICT')) process.stdout.write('?\n')
          await new Promise((resolve) => setTimeout(resolve, 10))
        }
      }
  }
}

say('ready')
for await (const line of createInterface({ input: process.stdin })) {
  try {
    say(await run(JSON.parse(line) as Command))
  } catch (error) {
    say({ error: isCairnError(error) ? `${error.code}: ${error.message}` : String(error) })
  }
}
