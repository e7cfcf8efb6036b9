import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { NODE_FLAGS } from '../../harness/node-flags.ts'

const ENGINES = new URL('../../../src/engines/sql/index.ts', import.meta.url).href

export interface Child {
  readonly pid: number
  /** Everything it printed up to now. */
  output(): string
  /** Resolves when it printed the text; rejects when it ended without. */
  printed(text: string): Promise<void>
  /** Kills it with SIGKILL and resolves when it is gone. */
  kill9(): Promise<void>
}

/** Runs a script in a process of its own, with `openPglite`, `OWNER` and the arguments as `args`. */
export function runChild(script: string, ...args: string[]): Child {
  const source = `import { openPglite } from ${JSON.stringify(ENGINES)}
    const OWNER = { role: 'owner' }, args = process.argv.slice(1)
    ${script}`
  const flags = [...NODE_FLAGS, '--input-type=module', '-e', source, '--', ...args]
  const child: ChildProcess = spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const watchers = new Set<() => void>()
  const changed = () => watchers.forEach((watcher) => watcher())
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
      changed()
    })
  }
  child.on('close', changed)
  return {
    pid: child.pid ?? -1,
    output: () => output,
    printed: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (output.includes(text)) resolve()
          else if (child.exitCode !== null || child.signalCode !== null) reject(new Error(`The process ended without printing ${text}: ${output}`))
          else return
          watchers.delete(look)
        }
        watchers.add(look)
        look()
      }),
    async kill9() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'close')
    },
  }
}
