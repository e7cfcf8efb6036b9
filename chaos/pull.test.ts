import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, type PulledTasks, open } from '@cairn/core'
import { type RunningServer, serve } from '@cairn/server'
import { type CairnPlace, cairnTargets } from '../packages/core/test/harness/cairns.ts'
import { exactly, taskVerdict } from './task-verdict.ts'
import { TcpProxy } from './tcp-proxy.ts'

const TASKS = Number(process.env['CAIRN_CHAOS_TASKS'] ?? 200)
const WORKERS = 4
/** Longer than the test: nothing is done again because somebody fell silent. */
const LEASE_MS = 600_000

describe('workers that pull over HTTP, while every third answer is lost after the server has done what was asked', () => {
  const [, servers] = cairnTargets as [(typeof cairnTargets)[number], (typeof cairnTargets)[number]]
  let place: CairnPlace
  const cairns: Cairn[] = []
  const running: RunningServer[] = []
  const proxies: TcpProxy[] = []

  beforeAll(async () => {
    place = await servers.place()
    for (let n = 0; n < 2; n++) {
      const cairn = await open(place.options)
      const server = await serve(cairn, { port: 0 })
      cairns.push(cairn)
      running.push(server)
      proxies.push(await TcpProxy.to(server.port))
    }
  }, 60_000)
  afterAll(async () => {
    await Promise.all(proxies.map((proxy) => proxy.close()))
    await Promise.all(running.map((server) => server.close()))
    for (const cairn of cairns) await cairn.close()
    await place?.dispose()
  })

  it('each task runs once, in one worker, without waiting for a lease or a timeout', { timeout: 60_000 + TASKS * 50 }, async () => {
    const [cairn] = cairns as [Cairn]
    const bases = proxies.map((proxy, index) => new URL('/v1/', proxy.through((running[index] as RunningServer).url)).href)
    let requests = 0
    let unanswered = 0
    for (const proxy of proxies) proxy.loseReplies((request) => /\/v1\/task-(claims|workers)/.test(request) && ++requests % 3 === 0)
    /** Undefined when there was no answer. */
    const ask = async <T>(path: string, json: unknown, signal?: AbortSignal): Promise<T | undefined> => {
      const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(json), ...(signal === undefined ? {} : { signal }) }
      const answer = await fetch(`${bases[Math.floor(Math.random() * bases.length)]}${path}`, init).then(async (response) => ({ status: response.status, body: await response.text() }), () => undefined)
      if (answer === undefined) unanswered += 1
      else if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.body}`)
      return answer === undefined ? undefined : (JSON.parse(answer.body) as T)
    }
    const untilAnswered = async <T>(path: string, json: unknown): Promise<T> => {
      for (;;) {
        const answer = await ask<T>(path, json)
        if (answer !== undefined) return answer
      }
    }
    const ran = new Map<number, number>()
    const inHand = new Map<string, number>()
    const wrong: string[] = []
    let again = 0
    const puller = async (me: number): Promise<void> => {
      const { worker } = await untilAnswered<PulledTasks>('task-claims', { types: ['pulled'], most: 0, leaseMs: LEASE_MS })
      for (let turn = 1; ran.size < TASKS; turn++) {
        // Some go before they have their answer, as a client does whose patience is over.
        const patience = Math.random() < 0.2 ? AbortSignal.timeout(Math.floor(Math.random() * 20)) : undefined
        const claimed = await ask<PulledTasks>('task-claims', { types: ['pulled'], most: 5, worker, holding: [], turn, waitMs: 100 }, patience)
        if (claimed === undefined) {
          const news = await ask<PulledTasks>(`task-workers/${worker}/heartbeat?held=1000`, {})
          again += news?.held?.length ?? 0
          continue
        }
        for (const { id, payload } of claimed.tasks) {
          if (inHand.has(id)) wrong.push(`${id} is in the hands of ${inHand.get(id)} and ${me}`)
          inHand.set(id, me)
          const { n } = payload as { n: number }
          ran.set(n, (ran.get(n) ?? 0) + 1)
        }
        const ends = claimed.tasks.map(({ id: task, lease, payload }) => ({ task, lease, status: 'completed', result: payload }))
        if (ends.length === 0) continue
        const { refused } = await untilAnswered<{ refused: string[] }>(`task-workers/${worker}/ends`, { ends })
        wrong.push(...refused.map((id) => `the end of ${id} was refused`))
        for (const { task } of ends) inHand.delete(task)
      }
    }
    const started = performance.now()
    const pulling = Promise.all(Array.from({ length: WORKERS }, (_, me) => puller(me)))
    for (let from = 0; from < TASKS; from += 20) {
      await cairn.tasks.enqueueMany(Array.from({ length: Math.min(20, TASKS - from) }, (_, index) => ({ type: 'pulled', payload: { n: from + index } })))
    }
    await pulling
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    const lost = proxies.reduce((sum, proxy) => sum + proxy.lostReplies, 0)
    const verdict = await taskVerdict(cairn, 'pulled')
    console.log(`pull: ${TASKS} tasks in ${seconds} s, ${requests} requests, ${lost} answers lost, ${unanswered} not heard, ${again} tasks held without knowing it, ${verdict.completed} completed, ${verdict.accepted} ends accepted`)
    expect(wrong).toEqual([])
    expect([...ran.values()].filter((times) => times !== 1)).toEqual([])
    expect(verdict).toEqual(exactly(TASKS))
    expect(lost).toBeGreaterThan(10)
    const { rows } = await cairn.engines.sql.query<{ n: number }>(cairn.identity, `SELECT count(*) AS n FROM tasks.archive a WHERE a.tenant_id = $1 AND a.result <> a.payload`, [cairn.identity.tenant])
    expect(Number(rows[0]?.n)).toBe(0)
  })
})
