/**
 * Runs one command after the other in one process, since loading the program takes longer than most commands. After each
 * it writes its end mark to stdout and stderr, so that what the command wrote to either is known, whoever wrote it.
 */
import { main } from '../src/main.ts'

export interface HostRequest {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly mark: string
}

const script = process.argv.slice(0, 2)

process.on('message', (request: HostRequest) => {
  void runOne(request)
})
process.on('disconnect', () => process.exit(0))

async function runOne({ args, env, mark }: HostRequest): Promise<void> {
  const before = new Map(Object.keys(env).map((name) => [name, process.env[name]]))
  Object.assign(process.env, env)
  process.argv = [...script, ...args]
  process.exitCode = undefined
  await main(args)
  const code = process.exitCode ?? 0
  process.exitCode = undefined
  for (const [name, value] of before) {
    if (value === undefined) Reflect.deleteProperty(process.env, name)
    else process.env[name] = value
  }
  process.stdout.write(`\n${mark} ${code}\n`)
  process.stderr.write(`\n${mark} ${code}\n`)
}
