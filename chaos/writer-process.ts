import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { CairnOptions } from '@cairn/core'
import { NODE_FLAGS } from '../packages/core/test/harness/node-flags.ts'

const PROGRAM = fileURLToPath(new URL('./writer.ts', import.meta.url))

export interface WriterSetup {
  readonly options: CairnOptions
  readonly agentId: string
  readonly workers: number
}

/** What the writers of all lives had acknowledged. */
export class Ledger {
  /** Highest acknowledged n of each worker. */
  readonly acknowledged = new Map<number, number>()
  readonly durable = new Map<number, number>()
  writes = 0
  readonly errors = new Map<string, number>()
  /** Where the next life counts on. */
  next = 1

  note(line: string): void {
    const [kind, a, b, ack] = line.split(' ')
    if (kind === 'E') this.errors.set(a as string, (this.errors.get(a as string) ?? 0) + 1)
    if (kind !== 'A') return
    const worker = Number(a)
    const n = Number(b)
    this.writes++
    this.acknowledged.set(worker, Math.max(n, this.acknowledged.get(worker) ?? 0))
    if (ack === 'durable') this.durable.set(worker, Math.max(n, this.durable.get(worker) ?? 0))
    this.next = Math.max(this.next, n + 1_000)
  }
}

/** Starts the writer program; resolves when it writes. */
export async function startWriter(setup: WriterSetup, ledger: Ledger): Promise<{ kill(): Promise<void> }> {
  const argument = JSON.stringify({ ...setup, from: ledger.next })
  const child: ChildProcess = spawn(process.execPath, [...NODE_FLAGS, PROGRAM, argument], { stdio: ['ignore', 'pipe', 'pipe'] })
  let failure = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    failure += chunk.toString()
  })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const drained = once(lines, 'close')
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      if (line === 'ready') resolve()
      else ledger.note(line)
    })
    void exited.then(([code]) => reject(new Error(`the writer ended with ${String(code)}: ${failure}`)))
  })
  return {
    async kill() {
      child.kill('SIGKILL')
      await exited
      await drained
    },
  }
}
