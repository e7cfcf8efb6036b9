import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { CairnOptions, WorkOptions } from '@cairn/core'
import { NODE_FLAGS } from '../packages/core/test/harness/node-flags.ts'

const SKEWED_CLOCK = new URL('./skewed-clock.ts', import.meta.url).href
const PROGRAM = fileURLToPath(new URL('./task-worker.ts', import.meta.url))

export interface TaskProcessSetup {
  readonly options: CairnOptions
  readonly type: string
  /** How long a handler takes. */
  readonly holdMs: number
  readonly work?: WorkOptions
  /** The first handler blocks the event loop until there is a file of this name. */
  readonly blockUntil?: string
  /** The process stops itself, with SIGSTOP, when so many handlers have begun. */
  readonly stopAt?: number
  /** The process's clock is wrong by so much. */
  readonly clockShiftMs?: number
}

/** A process with a worker. */
export class TaskProcess {
  readonly lines: string[] = []
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(setup: TaskProcessSetup): Promise<TaskProcess> {
    const skew = setup.clockShiftMs === undefined ? [] : ['--import', SKEWED_CLOCK]
    const flags = [...NODE_FLAGS, ...skew, PROGRAM, JSON.stringify({ work: {}, ...setup })]
    const child = spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, CAIRN_CLOCK_SHIFT_MS: String(setup.clockShiftMs ?? 0) } })
    const started = new TaskProcess(child)
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => started.lines.push(line))
    while (!started.lines.includes('ready')) {
      if (child.exitCode !== null) throw new Error(`The worker process ended with ${child.exitCode}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return started
  }

  count(word: string): number {
    return this.lines.filter((line) => line.startsWith(`${word} `)).length
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}
