import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { CairnOptions } from '@cairn/core'
import { NODE_FLAGS } from '../packages/core/test/harness/node-flags.ts'

const PROGRAM = fileURLToPath(new URL('./schedule-runner.ts', import.meta.url))

/** A process that stands for election to make the ticks of schedules. */
export class ScheduleProcess {
  /** Terms in which it led, in their order. */
  readonly terms: number[] = []
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(options: CairnOptions): Promise<ScheduleProcess> {
    const child = spawn(process.execPath, [...NODE_FLAGS, PROGRAM, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] })
    const started = new ScheduleProcess(child)
    let ready = false
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      if (line === 'ready') ready = true
      else started.terms.push(Number(line))
    })
    while (!ready) {
      if (child.exitCode !== null) throw new Error(`The process ended with ${child.exitCode}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return started
  }

  freeze(): void {
    this.#child.kill('SIGSTOP')
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
