import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { CairnOptions } from '../../../src/index.ts'
import type { Command } from './writer-program.ts'
import { NODE_FLAGS } from '../../harness/node-flags.ts'

const PROGRAM = fileURLToPath(new URL('./writer-program.ts', import.meta.url))

export interface WriterProcess {
  /** Resolves with the answer; rejects with what the process could not do. */
  ask(command: Command): Promise<unknown>
  /** Increments without pause from now on. */
  forever(key: string): void
  /** Increments that `forever` had acknowledged. */
  readonly acknowledged: number
  /** Increments of `forever` that got no answer, and may be stored all the same. */
  readonly unknown: number
  /** With SIGKILL; resolves when everything it printed was read. */
  kill(): Promise<void>
}

/** Resolves when the process has opened Cairn. */
export async function startWriter(options: CairnOptions, agentId: string): Promise<WriterProcess> {
  const child: ChildProcess = spawn(process.execPath, [...NODE_FLAGS, PROGRAM, JSON.stringify({ options, agentId })], { stdio: ['pipe', 'pipe', 'pipe'] })
  let failure = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    failure += chunk.toString()
  })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const drained = once(lines, 'close')
  let acknowledged = 0
  let unknown = 0
  const waiting: { resolve(answer: unknown): void; reject(error: Error): void }[] = []
  lines.on('line', (line) => {
    if (line === '+') return void acknowledged++
    if (line === '?') return void unknown++
    const answer = JSON.parse(line) as unknown
    const failed = typeof answer === 'object' && answer !== null && 'error' in answer
    if (failed) waiting.shift()?.reject(new Error(`the writer answered: ${String(answer.error)}`))
    else waiting.shift()?.resolve(answer)
  })
  void exited.then(() => waiting.forEach(({ reject }) => reject(new Error(`the writer ended: ${failure}`))))
  const answer = (): Promise<unknown> => new Promise((resolve, reject) => waiting.push({ resolve, reject }))
  await answer()
  const send = (command: Command): void => void child.stdin?.write(`${JSON.stringify(command)}\n`)
  return {
    ask(command) {
      const result = answer()
      send(command)
      return result
    },
    forever: (key) => send({ do: 'forever', key }),
    get acknowledged() {
      return acknowledged
    },
    get unknown() {
      return unknown
    },
    async kill() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await exited.catch(() => undefined)
      await drained
    },
  }
}
