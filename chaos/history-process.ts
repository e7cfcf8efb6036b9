import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { CairnOptions } from '@cairn/core'
import type { ReadEvent, WriteEvent } from './history.ts'
import { NODE_FLAGS } from '../packages/core/test/harness/node-flags.ts'

const PROGRAM = fileURLToPath(new URL('./historian.ts', import.meta.url))

/** What all lives of all processes told. */
export class History {
  readonly reads: ReadEvent[] = []
  readonly writes: WriteEvent[] = []
  readonly #underWay = new Map<string, WriteEvent>()

  note(process: number, life: string, line: string): void {
    const [kind, ...fields] = line.split(' ') as [string, ...string[]]
    if (kind === 'R' && fields.length === 5) {
      const [key, start, end, revision, value] = fields as [string, string, string, string, string]
      this.reads.push({ kind: 'read', process, key: Number(key), start: BigInt(start), end: BigInt(end), revision: Number(revision), value })
    } else if (kind === 'I' && fields.length === 6) {
      const [op, key, value, previous, expected, start] = fields as [string, string, string, string, string, string]
      const write: WriteEvent = { kind: 'write', process, key: Number(key), value, previous, expected: Number(expected), start: BigInt(start), end: undefined, outcome: 'unknown', revision: 0 }
      this.writes.push(write)
      this.#underWay.set(`${life}.${op}`, write)
    } else if (kind === 'O' && fields.length === 4) {
      const [op, outcome, revision, end] = fields as [string, WriteEvent['outcome'], string, string]
      const write = this.#underWay.get(`${life}.${op}`)
      if (write !== undefined) Object.assign(write, { outcome, revision: Number(revision), end: BigInt(end) })
      this.#underWay.delete(`${life}.${op}`)
    }
  }

  get operations(): number {
    return this.reads.length + this.writes.length
  }
}

/** Starts a historian; resolves when it works. A killed one gets a new life and a new number: it remembers nothing. */
export async function startHistorian(setup: { options: CairnOptions; agents: readonly string[]; workers: number }, process_: number, history: History): Promise<{ kill(): Promise<void> }> {
  const life = `p${process_}`
  const child = spawn(process.execPath, [...NODE_FLAGS, PROGRAM, JSON.stringify({ ...setup, life })], { stdio: ['ignore', 'pipe', 'pipe'] })
  let failure = ''
  child.stderr.on('data', (chunk: Buffer) => {
    failure += chunk.toString()
  })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })
  const drained = once(lines, 'close')
  let killed = false
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      if (line === 'ready') resolve()
      else history.note(process_, life, line)
    })
    void exited.then(([code]) => {
      if (!killed) reject(new Error(`historian ${life} ended with ${String(code)}: ${failure}`))
    })
  })
  return {
    async kill() {
      killed = true
      child.kill('SIGKILL')
      await exited
      await drained
    },
  }
}
