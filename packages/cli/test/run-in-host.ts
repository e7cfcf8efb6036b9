import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { HostRequest } from './cli-host.ts'
import type { Finished } from './run-cli.ts'
import { NODE_FLAGS } from '../../core/test/harness/node-flags.ts'

const HOST = fileURLToPath(new URL('./cli-host.ts', import.meta.url))

/** A process that runs commands in turn; one that ends itself is a command's end like any other, and is replaced. */
export class CliHost {
  readonly #cwd: string
  readonly #env: NodeJS.ProcessEnv
  #child: ChildProcess | undefined
  #last: Promise<unknown> = Promise.resolve()
  #count = 0

  constructor(cwd: string, env: NodeJS.ProcessEnv) {
    this.#cwd = cwd
    this.#env = env
  }

  run(args: readonly string[], env: Readonly<Record<string, string>>, toEnd: boolean): Promise<Finished> {
    const result = this.#last.then(() => this.#run(args, env, toEnd))
    this.#last = result.catch(() => undefined)
    return result
  }

  end(): void {
    this.#child?.kill('SIGKILL')
  }

  #start(): ChildProcess {
    const child = fork(HOST, [], {
      cwd: this.#cwd,
      env: this.#env,
      execArgv: [...NODE_FLAGS],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    child.stdout?.setEncoding('utf8')
    child.stderr?.setEncoding('utf8')
    child.once('close', () => {
      if (this.#child === child) this.#child = undefined
    })
    return child
  }

  #run(args: readonly string[], env: Readonly<Record<string, string>>, toEnd: boolean): Promise<Finished> {
    const child = (this.#child ??= this.#start())
    const mark = `--end-of-command-${this.#count++}--`
    const pattern = new RegExp(`\\n${mark} (\\d+)\\n$`)
    return new Promise((resolve) => {
      const output = { stdout: '', stderr: '' }
      const finish = (finished: Finished): void => {
        child.stdout?.off('data', onOut)
        child.stderr?.off('data', onError)
        child.off('close', onClose)
        resolve(finished)
      }
      const look = (): void => {
        const [out, error] = [pattern.exec(output.stdout), pattern.exec(output.stderr)]
        if (out !== null && error !== null) finish({ code: Number(out[1]), signal: null, stdout: output.stdout.slice(0, out.index), stderr: output.stderr.slice(0, error.index) })
      }
      const onOut = (text: string): void => {
        output.stdout += text
        look()
      }
      const onError = (text: string): void => {
        output.stderr += text
        look()
      }
      const onClose = (code: number | null, signal: NodeJS.Signals | null): void => finish({ code, signal, ...output })
      child.stdout?.on('data', onOut)
      child.stderr?.on('data', onError)
      child.on('close', onClose)
      child.send({ args: [...args], env: { ...env }, mark, toEnd } satisfies HostRequest)
    })
  }
}
