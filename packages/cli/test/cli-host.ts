/**
 * Runs one command after the other in one process, since loading the program takes longer than most commands. After each
 * it writes its end mark to stdout and stderr, so that what the command wrote to either is known, whoever wrote it.
 */
import { main } from '../src/main.ts'

export interface HostRequest {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly mark: string
  /** The end mark waits until nothing is left that would keep a process of its own alive. */
  readonly toEnd: boolean
}

const script = process.argv.slice(0, 2)

process.on('message', (request: HostRequest) => {
  void runOne(request)
})
process.on('disconnect', () => process.exit(0))

async function runOne({ args, env, mark, toEnd }: HostRequest): Promise<void> {
  const before = new Map(Object.keys(env).map((name) => [name, process.env[name]]))
  Object.assign(process.env, env)
  process.argv = [...script, ...args]
  process.exitCode = undefined
  await main(args)
  const code = process.exitCode ?? 0
  process.exitCode = undefined
  while (toEnd && isHeld()) await new Promise((resolve) => setImmediate(resolve))
  for (const [name, value] of before) {
    if (value === undefined) Reflect.deleteProperty(process.env, name)
    else process.env[name] = value
  }
  process.stdout.write(`\n${mark} ${code}\n`)
  process.stderr.write(`\n${mark} ${code}\n`)
}

/** Timers, sockets, requests: all but the pipes to the test, by which this process lives. */
function isHeld(): boolean {
  return process.getActiveResourcesInfo().some((name) => name !== 'PipeWrap')
}
