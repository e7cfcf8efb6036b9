import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('./worker-process.ts', import.meta.url))

interface Report {
  readonly handled: number
  readonly firstAt: number
  readonly latencies?: readonly number[]
}

/** Some worker processes of one system, ready to begin. */
export class Fleet {
  readonly #children: ChildProcess[]
  readonly #reports = new Map<ChildProcess, Report>()

  private constructor(children: ChildProcess[]) {
    this.#children = children
    for (const child of children) child.on('message', (message) => typeof message === 'object' && this.#reports.set(child, message as Report))
  }

  static async start(system: string, url: string, mode: 'throughput' | 'latency', processes: number): Promise<Fleet> {
    const flags = ['--conditions=source', '--disable-warning=ExperimentalWarning']
    const children = Array.from({ length: processes }, () => fork(PROGRAM, [system, url, mode], { execArgv: flags, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }))
    const ended = (child: ChildProcess) => once(child, 'exit').then(([code]) => Promise.reject(new Error(`A worker process of ${system} ended with ${String(code)}`)))
    await Promise.all(children.map((child) => Promise.race([once(child, 'message'), ended(child)])))
    return new Fleet(children)
  }

  go(): void {
    for (const child of this.#children) child.send('go')
  }

  get handled(): number {
    return this.#sum(({ handled }) => handled)
  }

  get pids(): number[] {
    return this.#children.map(({ pid }) => pid as number)
  }

  /** When the first handler of all began. */
  get firstAt(): number {
    return Math.min(...[...this.#reports.values()].filter(({ handled }) => handled > 0).map(({ firstAt }) => firstAt))
  }

  get latencies(): number[] {
    return [...this.#reports.values()].flatMap(({ latencies }) => latencies ?? [])
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#children.map((child) => {
        child.send('stop')
        return once(child, 'exit')
      }),
    )
  }

  #sum(pick: (report: Report) => number): number {
    return [...this.#reports.values()].reduce((total, report) => total + pick(report), 0)
  }
}
