import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { type DebateMode, type NewDebateParticipant, open } from '@cairn/core'
import { cairnTargets } from '../packages/core/test/harness/cairns.ts'
import { NODE_FLAGS } from '../packages/core/test/harness/node-flags.ts'

const PROGRAM = fileURLToPath(new URL('./debate-runner.ts', import.meta.url))
const KILLS_OF = { embedded: Number(process.env['CAIRN_CHAOS_KILLS'] ?? 1), servers: Number(process.env['CAIRN_CHAOS_KILLS'] ?? 2) }
const ROUNDS = 6
const SPEAKERS = 5
const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

describe.each(cairnTargets)('a debate of five participants and six rounds ($name)', (target) => {
  const KILLS = KILLS_OF[target.name]
  it.each<DebateMode>(['structured'])('survives kill -9 at random moments: no argument lost or doubled, nobody called again for a stored one (%s)', { timeout: 60_000 + KILLS * 30_000 }, async (mode) => {
    const place = await target.place()
    cleanups.push(() => place.dispose())
    const folder = await mkdtemp(join(tmpdir(), 'cairn-debate-'))
    cleanups.push(() => rm(folder, { recursive: true, force: true }))
    const log = join(folder, 'log')
    const participants = Array.from({ length: SPEAKERS }, (_, n): NewDebateParticipant => ({ name: `p${n + 1}`, weight: n + 1 }))
    const made = await open(place.options)
    const { id } = await made.debates.create({ key: 'survivor', topic: 'Chaos', mode, participants, configuration: { rounds: ROUNDS } })
    await made.close()

    let child: ChildProcess | undefined
    cleanups.push(async () => void child?.kill('SIGKILL'))
    const run = async (killAt?: number): Promise<ChildProcess> => {
      const setup = { options: place.options, debate: 'survivor', log, ...(killAt === undefined ? {} : { killAt }) }
      const started = (child = spawn(process.execPath, [...NODE_FLAGS, PROGRAM, JSON.stringify(setup)], { stdio: ['ignore', 'ignore', 'inherit'] }))
      await once(started, 'exit')
      return started
    }
    for (let kill = 0; kill < KILLS; kill++) {
      const { signalCode } = await run(1 + Math.floor((Math.random() * (ROUNDS - 1) * SPEAKERS) / KILLS))
      expect(signalCode, 'it was to be killed amid its work').toBe('SIGKILL')
    }
    expect((await run()).exitCode).toBe(0)

    const told = (await readFile(log, 'utf8')).split('\n').filter(Boolean)
    await using cairn = await open(place.options)
    const done = await cairn.debates.get(id)
    const { items } = await cairn.debates.arguments(id, { limit: 1000 })
    const wanted = Array.from({ length: ROUNDS * SPEAKERS }, (_, n) => `${id}:r${Math.floor(n / SPEAKERS) + 1}:t${(n % SPEAKERS) + 1}`)
    expect(items.map(({ content }) => content)).toEqual(wanted)
    expect(items.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual(wanted.map((_, n) => n + 1))
    expect(done).toMatchObject({ status: 'completed', totalArguments: wanted.length, totalTokens: wanted.join('').length, round: ROUNDS, winningPosition: 'odd', consensusScore: 1, orchestrationFailures: 0 })
    expect((await cairn.debates.votes(id)).map(({ reason }) => reason)).toEqual(participants.map((_, n) => `${id}:vote:${n + 1}`))

    const stored = new Set<string>()
    const again: string[] = []
    for (const line of told) {
      const [word, key = ''] = line.split(' ')
      if (word === 'stored') stored.add(key)
      if (word === 'call' && stored.has(key)) again.push(key)
    }
    expect(again).toEqual([])
    const calls = told.filter((line) => line.startsWith('call '))
    const repeated = calls.length - new Set(calls).size
    // Only the one under way when the process was killed can be called again, with the same key.
    expect(repeated).toBeLessThanOrEqual(KILLS + told.filter((line) => line === 'lost').length)
    console.log(`${target.name}, ${mode}: ${KILLS} kills, ${items.length} arguments, ${calls.length} calls, ${repeated} of them again for a call whose end was not known, ${again.length} for a stored argument`)
  })
})
