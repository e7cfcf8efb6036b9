import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { CairnOptions, SagaStrategy } from '../../../src/index.ts'
import type { Order } from './order-saga.ts'
import { NODE_FLAGS } from '../../harness/node-flags.ts'

const PROGRAM = fileURLToPath(new URL('./saga-process.ts', import.meta.url))

export interface SagaProcess {
  readonly child: ChildProcess
  /** Resolves when the program says a line that begins so, or has ended. */
  says(beginning: string): Promise<string>
  readonly ended: Promise<unknown>
  kill(): Promise<void>
}

export function startSagaProcess(setup: { options: CairnOptions; strategy: SagaStrategy; leaseMs: number; start?: Order; killAt?: number; hang?: boolean }): SagaProcess {
  const child = spawn(process.execPath, [...NODE_FLAGS, PROGRAM, JSON.stringify(setup)], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout })
  const heard = new Set<() => void>()
  reader.on('line', (line) => {
    lines.push(line)
    for (const hear of heard) hear()
  })
  const ended = once(child, 'exit')
  return {
    child,
    ended,
    says: (beginning) =>
      new Promise((resolve) => {
        const hear = (): void => {
          const line = lines.find((one) => one.startsWith(beginning))
          if (line !== undefined) resolve(line)
        }
        heard.add(hear)
        hear()
        void ended.then(() => resolve('gone'))
      }),
    async kill() {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await ended
    },
  }
}
