import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { CairnOptions } from '@cairn/core'
import { NODE_FLAGS } from '../packages/core/test/harness/node-flags.ts'

const PROGRAM = fileURLToPath(new URL('./relay.ts', import.meta.url))

export interface RelayProcess {
  readonly pid: number
  signal(name: NodeJS.Signals): void
  kill(): Promise<void>
}

/** Starts a process that may lead the relay; resolves when it is open. */
export async function startRelay(options: CairnOptions): Promise<RelayProcess> {
  const child = spawn(process.execPath, [...NODE_FLAGS, PROGRAM, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'pipe'] })
  let failure = ''
  child.stderr.on('data', (chunk: Buffer) => {
    failure += chunk.toString()
  })
  const exited = once(child, 'exit')
  await Promise.race([once(child.stdout, 'data'), exited.then(([code]) => Promise.reject(new Error(`the relay ended with ${String(code)}: ${failure}`)))])
  return {
    pid: child.pid ?? -1,
    signal: (name) => void child.kill(name),
    async kill() {
      child.kill('SIGCONT')
      child.kill('SIGKILL')
      await exited
    },
  }
}
