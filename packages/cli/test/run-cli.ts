import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inject } from 'vitest'
import { CliHost } from './run-in-host.ts'
import { MIGRATED_TEMPLATE, copyFolder } from '../../core/test/harness/templates.ts'
import { NODE_FLAGS } from '../../core/test/harness/node-flags.ts'

const BIN = fileURLToPath(new URL('../bin/cairn.ts', import.meta.url))
export const TWO_HIKERS = fileURLToPath(new URL('../../../examples/two-hikers.json', import.meta.url))

export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A running `cairn`. */
export interface RunningCli {
  readonly pid: number
  readonly done: Promise<Finished>
  /** Resolves with the match when stdout or stderr has it; rejects when the process ends before. */
  until(pattern: RegExp): Promise<RegExpExecArray>
  kill(signal: NodeJS.Signals): Promise<Finished>
}

/** A folder of its own for a test file, in which every command runs: no settings of the developer's reach it. */
export class CliSandbox {
  readonly root: string
  readonly #children = new Set<ChildProcess>()
  #host: CliHost | undefined

  private constructor(root: string) {
    this.root = root
  }

  static async make(): Promise<CliSandbox> {
    return new CliSandbox(await mkdtemp(join(tmpdir(), 'cairn-cli-')))
  }

  path(...names: string[]): string {
    return join(this.root, ...names)
  }

  /** A data directory whose database exists already, since making one takes seconds. */
  async dataDir(name: string): Promise<string> {
    const dataDir = this.path(name)
    await copyFolder(join(inject('pgliteTemplate'), MIGRATED_TEMPLATE), join(dataDir, 'pg'))
    return dataDir
  }

  read(name: string): Promise<string> {
    return readFile(this.path(name), 'utf8')
  }

  /** With `input`, that is all it gets on stdin. */
  spawn(args: readonly string[], env: NodeJS.ProcessEnv = {}, input?: string): RunningCli {
    const child = spawn(process.execPath, [...NODE_FLAGS, BIN, ...args], {
      cwd: this.root,
      env: { ...cleanEnvironment(), ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    child.stdin.on('error', () => undefined).end(input ?? '')
    this.#children.add(child)
    const output = { stdout: '', stderr: '' }
    const watchers = new Set<() => void>()
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] += text
        for (const watcher of watchers) watcher()
      })
    }
    const done = new Promise<Finished>((resolve) => {
      child.once('close', (code, signal) => {
        this.#children.delete(child)
        resolve({ code, signal, ...output })
      })
    })
    return {
      pid: child.pid ?? -1,
      done,
      until: (pattern) =>
        new Promise((resolve, reject) => {
          const look = (): void => {
            const found = pattern.exec(output.stdout) ?? pattern.exec(output.stderr)
            if (found === null) return
            watchers.delete(look)
            resolve(found)
          }
          watchers.add(look)
          look()
          void done.then(({ code, stdout, stderr }) => reject(new Error(`It ended with ${code} before ${pattern}: ${stdout}${stderr}`)))
        }),
      kill(signal) {
        child.kill(signal)
        return done
      },
    }
  }

  /** What a command does, without the time to load the program again: commands run one after the other in one process. */
  run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> {
    return this.#inHost(args, env, false)
  }

  /** The same, when it has left nothing behind that would keep a process of its own alive; until then it does not resolve. */
  runToEnd(args: readonly string[]): Promise<Finished> {
    return this.#inHost(args, {}, true)
  }

  /** The same in a process of its own, which must end by itself. */
  runAlone(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> {
    return this.spawn(args, env).done
  }

  /** Into a pipe that nobody reads, as with `| head` when it has seen enough. */
  unread(args: readonly string[]): Promise<Pick<Finished, 'code' | 'stderr'>> {
    const child = spawn(process.execPath, [...NODE_FLAGS, BIN, ...args], { cwd: this.root, env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.destroy()
    this.#children.add(child)
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    return new Promise((resolve) => child.once('close', (code) => {
      this.#children.delete(child)
      resolve({ code, stderr })
    }))
  }

  #inHost(args: readonly string[], env: Readonly<Record<string, string>>, toEnd: boolean): Promise<Finished> {
    this.#host ??= new CliHost(this.root, cleanEnvironment())
    return this.#host.run(args, env, toEnd)
  }

  /** The parsed output of a command with --json; throws unless it ended with `code`. */
  async json<T = Record<string, unknown>>(args: readonly string[], code = 0): Promise<T> {
    const result = await this.run([...args, '--json'])
    if (result.code !== code) throw new Error(`cairn ${args.join(' ')} ended with ${result.code}: ${result.stdout}${result.stderr}`)
    return JSON.parse(result.stdout) as T
  }

  /** `cairn start` on a free port, when it is ready. */
  async start(args: readonly string[]): Promise<RunningCli & { readonly url: string }> {
    const cli = this.spawn(['start', '--port', '0', ...args])
    const found = await cli.until(/Cairn listens on (http:[^"\s]+)/)
    return Object.assign(cli, { url: found[1] as string })
  }

  async dispose(): Promise<void> {
    this.#host?.end()
    for (const child of this.#children) child.kill('SIGKILL')
    await rm(this.root, { recursive: true, force: true })
  }
}

function cleanEnvironment(): NodeJS.ProcessEnv {
  // No test but one waits for the offline model to be loaded.
  return { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(CAIRN_|PG|NATS_|DATABASE_URL|(PRIMARY|REPLICA|BACKGROUND|ANALYTICS)_DB_|VITEST)/.test(name))), CAIRN_EMBEDDER: 'none' }
}
