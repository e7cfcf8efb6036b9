import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, type DebateParticipantCalls, type DebateSpeak, type DebateTurnContext, type NewDebate, isCairnError, open } from '../../../src/index.ts'
import { MAINTENANCE } from '../../../src/identity/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'
import { uniqueName } from '../../harness/engines.ts'

const refusal = async (work: Promise<unknown>): Promise<unknown> => work.then(() => 'no error', (error: unknown) => (isCairnError(error) ? [error.code, error.details['field']].join(' ').trim() : error))
const says = (position?: string): DebateSpeak => ({ participant, round }) => ({ content: `${participant.name} in round ${round}`, ...(position === undefined ? {} : { position }) })
const PAIR: Pick<NewDebate, 'topic' | 'participants'> = { topic: 'Tabs or spaces', participants: [{ name: 'ann', position: 'tabs' }, { name: 'bob', position: 'spaces' }] }
const FAST = { pollMs: 20 }

describe.each(cairnTargets)('debates ($name)', (target) => {
  let root: Cairn
  let cairn: Cairn
  let dispose: () => Promise<void>
  beforeAll(async () => {
    ;({ cairn: root, dispose } = await openCairn(target))
    cairn = root.as({ tenant: 'debaters' })
  })
  afterAll(() => dispose?.())

  const everything = async (id: string) => (await cairn.debates.arguments(id, { limit: 1000 })).items

  // proves S0-4-01, S0-4-03, S0-4-04, S0-4-06, D0-19
  it('structured: speaks in rounds, votes, concludes, and keeps all of it in rows', async () => {
    const agent = await cairn.agents.register({ name: uniqueName('cleo'), type: 'analyst' })
    const created = await cairn.debates.create({
      key: 'first', topic: 'Tabs or spaces', problemStatement: 'One for the whole code base.', configuration: { rounds: 2 },
      participants: [{ name: 'ann', position: 'tabs' }, { name: 'bob', position: 'spaces', weight: 2 }, { agent: agent.key }],
    })
    expect(created).toMatchObject({ key: 'first', mode: 'structured', status: 'initialized', consensusScore: 0, winningPosition: null, totalArguments: 0, round: 0, startedAt: null, running: false })
    expect(created.participants.map(({ number, name, agentId, position, weight }) => [number, name, agentId, position, weight])).toEqual([[1, 'ann', null, 'tabs', 1], [2, 'bob', null, 'spaces', 2], [3, agent.key, agent.id, null, 1]])
    const seen: DebateTurnContext[] = []
    const noted: DebateSpeak = (context) => {
      seen.push(context)
      return { content: `${context.participant.name} speaks`, confidence: 0.5, evidence: [{ url: 'https://example.org', n: context.round }], ...(context.participant.name === agent.key ? { position: 'spaces' } : {}) }
    }
    const done = await cairn.debates.run('first', { ann: noted, bob: { speak: noted, vote: () => ({ position: 'spaces', confidence: 1, reason: 'habit' }) }, [agent.key]: { speak: noted, vote: ({ positions }) => positions.at(-1) ?? null } })
    // spaces: 2 × 1 + 1 × 1 (no confidence given), tabs: 1 × 0.5.
    expect(done).toMatchObject({ status: 'completed', endReason: 'rounds', totalArguments: 6, winningPosition: 'spaces', orchestrationFailures: 0, running: false, round: 2 })
    expect(done.consensusScore).toBeCloseTo((3 / 3.5) ** 2 + (0.5 / 3.5) ** 2, 9)
    expect(done.conclusion).toContain('"spaces" won with 86 % of the weight (2 voices), after 2 rounds and 6 arguments')
    expect(done.durationSeconds).toBeGreaterThanOrEqual(0)
    expect(done.completedAt!.getTime()).toBeGreaterThanOrEqual(done.startedAt!.getTime())
    const all = await everything('first')
    expect(all.map(({ seq, round, turn, participant }) => [seq, round, turn, participant])).toEqual([1, 2, 3, 4, 5, 6].map((seq) => [seq, Math.ceil(seq / 3), ((seq - 1) % 3) + 1, ['ann', 'bob', agent.key][(seq - 1) % 3]]))
    expect(all[1]).toMatchObject({ position: 'spaces', confidence: 0.5, evidence: [{ url: 'https://example.org', n: 1 }], replyTo: null })
    expect(all[3]).toMatchObject({ participant: 'ann', replyTo: all[2]!.id })
    expect(all.every(({ tokens }) => tokens > 0)).toBe(true)
    expect(done.totalTokens).toBe(all.reduce((sum, { tokens }) => sum + tokens, 0))
    expect(seen.map(({ callKey }) => callKey)).toEqual([1, 2, 3, 4, 5, 6].map((n) => `${done.id}:r${Math.ceil(n / 3)}:t${((n - 1) % 3) + 1}`))
    expect(seen.map((context) => context.arguments.length)).toEqual([0, 1, 2, 3, 4, 5])
    expect(await cairn.debates.votes('first')).toMatchObject([{ participant: 'ann', status: 'done', position: 'tabs', confidence: 0.5 }, { participant: 'bob', position: 'spaces', reason: 'habit' }, { participant: agent.key, position: 'spaces' }])
    const rounds = await cairn.debates.rounds('first')
    expect(rounds.map(({ number, summary }) => [number, summary?.arguments])).toEqual([[1, 3], [2, 3]])
    expect(rounds[0]!.summary!.shares['spaces']).toBeCloseTo(0.75, 9)
    // Run again, it is what it was, and nobody is called.
    expect(await cairn.debates.run('first', { ann: noted })).toEqual(done)
    expect(seen).toHaveLength(6)
  })

  it('free: nobody hears the round under way, whoever passes is skipped, and silence ends it', async () => {
    await cairn.debates.create({ ...PAIR, key: 'free', mode: 'free', configuration: { rounds: 9 } })
    const heard: number[] = []
    const speak: DebateSpeak = ({ arguments: known, round, participant }) => {
      heard.push(known.length)
      return round === 1 || (round === 2 && participant.name === 'ann') ? { content: 'something', ...(round === 2 ? { replyTo: known[1]!.id } : {}) } : null
    }
    const done = await cairn.debates.run('free', { ann: speak, bob: speak })
    expect(done).toMatchObject({ status: 'completed', endReason: 'silence', totalArguments: 3, winningPosition: null, consensusScore: 0.5 })
    expect(done.conclusion).toContain('Undecided: "spaces", "tabs" have 50 % of the weight each')
    expect(heard).toEqual([0, 0, 2, 2, 3, 3])
    const all = await everything('free')
    expect(all[2]).toMatchObject({ round: 2, participant: 'ann', replyTo: all[1]!.id })
  })

  it('adversarial and panel: the order and the replies of the mode', async () => {
    await cairn.debates.create({ topic: 'War', key: 'sides', mode: 'adversarial', configuration: { rounds: 2 }, participants: [{ name: 'a', position: 'for' }, { name: 'b', position: 'against' }, { name: 'c', position: 'for' }] })
    await cairn.debates.run('sides', { a: says(), b: says(), c: says() })
    const sides = await everything('sides')
    expect(sides.map(({ participant }) => participant).join('')).toBe('abcbbabc')
    expect(sides.map(({ replyTo }) => sides.find(({ id }) => id === replyTo)?.seq ?? null)).toEqual([null, 1, 2, 3, 3, 5, 6, 7])
    await cairn.debates.create({ topic: 'Peace', key: 'panel', mode: 'panel', configuration: { rounds: 2, voting: 'positions' }, participants: [{ name: 'x', position: 'yes' }, { name: 'mod', role: 'moderator' }, { name: 'y', position: 'yes' }] })
    const done = await cairn.debates.run('panel', { x: says(), mod: says(), y: says() }, { conclude: async ({ tally, text }) => `${tally.winner}! ${text}` })
    const panel = await everything('panel')
    expect(panel.map(({ participant }) => participant)).toEqual(['mod', 'x', 'y', 'mod', 'y', 'x'])
    expect(panel.map(({ replyTo }) => panel.find(({ id }) => id === replyTo)?.seq ?? null)).toEqual([null, 1, 1, 3, 4, 4])
    expect(done).toMatchObject({ consensusScore: 1, winningPosition: 'yes', conclusion: expect.stringMatching(/^yes! "yes" won/) as string })
    expect((await cairn.debates.votes('panel')).map(({ participant }) => participant)).toEqual(['x', 'y'])
  })

  it('one who is not a function is awaited, in any process; who comes late or twice is refused', async () => {
    await cairn.debates.create({ ...PAIR, key: 'person', configuration: { rounds: 2 } })
    expect(await refusal(cairn.debates.submit('person', { participant: 'bob', content: 'too early' }))).toBe('TURN_NOT_OPEN')
    const waiting = await cairn.debates.run('person', { ann: says() }, { whenWaiting: 'return' })
    expect(waiting).toMatchObject({ status: 'active', round: 1, running: false, awaited: [{ participant: 'bob', kind: 'argument', round: 1 }] })
    expect(await refusal(cairn.debates.submit('person', { participant: 'ann', content: 'not mine' }))).toBe('TURN_NOT_OPEN')
    expect(await refusal(cairn.debates.submit('person', { participant: 'eve', content: 'who' }))).toBe('NOT_FOUND')
    expect(await refusal(cairn.debates.submit('person', { participant: 'bob', content: 'x', replyTo: waiting.id }))).toBe('INVALID_ARGUMENT replyTo')
    const submissions = await Promise.all([1, 2, 3].map(() => cairn.debates.submit('person', { participant: 'bob', content: 'spaces, of course', operationId: 'click' })))
    expect(new Set(submissions.map((argument) => argument!.id)).size).toBe(1)
    expect(submissions[0]).toMatchObject({ round: 1, turn: 2, position: 'spaces', replyTo: null })
    expect(await refusal(cairn.debates.submit('person', { participant: 'bob', content: 'and another' }))).toBe('TURN_NOT_OPEN')
    // Of several at once, one is heard.
    const running = cairn.debates.run('person', { ann: says() }, FAST)
    await until('bob is awaited', async () => (await cairn.debates.get('person')).awaited.length === 1)
    const race = await Promise.all([1, 2, 3].map((n) => refusal(cairn.debates.submit('person', { participant: 'bob', content: `try ${n}` }))))
    expect(race.sort()).toEqual(['TURN_NOT_OPEN', 'TURN_NOT_OPEN', 'no error'])
    await until('his vote is awaited', async () => (await cairn.debates.get('person')).awaited[0]?.kind === 'vote')
    expect(await refusal(cairn.debates.vote('person', { participant: 'ann', position: 'spaces' }))).toBe('DUPLICATE_KEY')
    expect(await cairn.debates.vote('person', { participant: 'bob', position: 'tabs', reason: 'convinced' })).toMatchObject({ position: 'tabs', status: 'done' })
    expect(await running).toMatchObject({ status: 'completed', winningPosition: 'tabs', consensusScore: 1, totalArguments: 4 })
    expect(await cairn.debates.vote('person', { participant: 'bob', position: 'tabs' })).toMatchObject({ reason: 'convinced' })
    expect(await refusal(cairn.debates.vote('person', { participant: 'bob', position: 'spaces' }))).toBe('DUPLICATE_KEY')
    expect(await refusal(cairn.debates.submit('person', { participant: 'bob', content: 'late' }))).toBe('TURN_NOT_OPEN')
  })

  it('passes over who does not answer in time, in turns and in the vote', async () => {
    await cairn.debates.create({ ...PAIR, key: 'absent', configuration: { rounds: 1, answerTimeoutMs: 30 } })
    expect(await cairn.debates.run('absent', { ann: says() }, FAST)).toMatchObject({ status: 'completed', totalArguments: 1, consensusScore: 0.5 })
    expect(await cairn.debates.votes('absent')).toMatchObject([{ position: 'tabs' }, { position: 'spaces' }])
    expect(await refusal(cairn.debates.submit('absent', { participant: 'bob', content: 'sorry' }))).toBe('TURN_NOT_OPEN')
  })

  // proves S0-4-05
  it('counts failures, tries again with the same key, and passes over who fails for good, or fails', async () => {
    await cairn.debates.create({ ...PAIR, key: 'failing', configuration: { rounds: 1, attempts: 2 } })
    const calls: [string, number, boolean][] = []
    const broken: DebateSpeak = ({ callKey, attempt, uncertain }) => {
      calls.push([callKey, attempt, uncertain])
      throw new Error(`no answer \0 ${attempt}`)
    }
    const done = await cairn.debates.run('failing', { ann: broken, bob: (context) => (context.attempt === 1 ? { content: 'x', confidence: Number.NaN } : says()(context)) })
    expect(done).toMatchObject({ status: 'completed', totalArguments: 1, orchestrationFailures: 3, winningPosition: null })
    expect(calls).toEqual([[`${done.id}:r1:t1`, 1, false], [`${done.id}:r1:t1`, 2, false]])
    expect(done.lastOrchestrationError).toContain('confidence')
    const strict = await cairn.debates.create({ ...PAIR, key: 'strict', configuration: { rounds: 2, attempts: 1, onFailure: 'fail' } })
    const failed = await cairn.debates.run('strict', { ann: says(), bob: broken })
    expect(failed).toMatchObject({ status: 'failed', totalArguments: 1, lastOrchestrationError: expect.stringContaining('bob, round 1: Error: no answer') as string })
    expect(await cairn.debates.run('strict', { ann: says(), bob: says() })).toMatchObject({ status: 'failed' })
    expect(await cairn.debates.resume(strict.id)).toMatchObject({ status: 'active', completedAt: null })
    const told: string[] = []
    const noting: DebateSpeak = (context) => {
      told.push(context.callKey.split(':').slice(1).join(':'))
      return says()(context)
    }
    expect(await cairn.debates.run('strict', { ann: noting, bob: noting })).toMatchObject({ status: 'completed', totalArguments: 4 })
    expect(told).toEqual(['r1:t2', 'r2:t1', 'r2:t2'])
  })

  it('calls through the circuit breaker of the service, which an open one ends at once', async () => {
    const service = uniqueName('llm')
    await cairn.resilience.breakers.configure(service, { failureThreshold: 2 })
    await cairn.debates.create({ ...PAIR, key: 'broken', configuration: { rounds: 2, attempts: 5 } })
    let calls = 0
    const speak = (): never => {
      calls += 1
      throw new Error('down')
    }
    const done = await cairn.debates.run('broken', { ann: { speak, service }, bob: says() })
    expect(done).toMatchObject({ status: 'completed', totalArguments: 2 })
    expect(calls).toBe(2)
    expect((await cairn.resilience.breakers.get(service)).state).toBe('open')
    expect(done.lastOrchestrationError).toMatch(/^CIRCUIT_OPEN/)
  })

  it('ends by agreement, by tokens and by time, and asks nobody once a budget is used up', async () => {
    const never: DebateParticipantCalls['vote'] = () => {
      throw new Error('asked')
    }
    await cairn.debates.create({ ...PAIR, key: 'agreed', configuration: { rounds: 9, stopAtConsensus: 0.9 } })
    expect(await cairn.debates.run('agreed', { ann: ({ round }) => ({ content: 'hm', position: round === 2 ? 'spaces' : 'tabs' }), bob: says() })).toMatchObject({ endReason: 'consensus', round: 2, winningPosition: 'spaces' })
    await cairn.debates.create({ ...PAIR, key: 'tokens', configuration: { rounds: 9, tokenBudget: 25 } })
    const left: (number | null)[] = []
    const speak: DebateSpeak = ({ tokensLeft }) => {
      left.push(tokensLeft)
      return 'ten tokens'
    }
    expect(await cairn.debates.run('tokens', { ann: { speak, vote: never }, bob: { speak, vote: never } }, { countTokens: (text) => text.length })).toMatchObject({ endReason: 'tokens', totalTokens: 30, totalArguments: 3, orchestrationFailures: 0, consensusScore: 0.5 })
    expect(left).toEqual([25, 15, 5])
    const { id } = await cairn.debates.run((await cairn.debates.create({ ...PAIR, key: 'time', configuration: { rounds: 9, timeBudgetMs: 3_600_000 } })).id, { ann: says() }, { whenWaiting: 'return' })
    // Nearly all of its hour has gone by.
    await cairn.engines.sql.query(MAINTENANCE, `UPDATE debates.debates SET started_at = clock_timestamp() - interval '3599.7 seconds' WHERE debate_id = $1`, [id])
    const slow: DebateSpeak = ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    expect(await cairn.debates.run('time', { ann: says(), bob: { speak: slow, vote: never } })).toMatchObject({ status: 'completed', endReason: 'time', totalArguments: 1, orchestrationFailures: 0 })
  })

  it('is run by one process at a time; who waits gets what the other brought about', async () => {
    await cairn.debates.create({ ...PAIR, key: 'contested', configuration: { rounds: 1 } })
    let go = (): void => undefined
    const gate = new Promise<void>((resolve) => (go = resolve))
    let calls = 0
    const speak: DebateSpeak = async () => {
      calls += 1
      await gate
      return 'at last'
    }
    const outcomes: unknown[] = []
    const run = (n: number) => cairn.debates.run('contested', { ann: speak, bob: speak }, n === 4 ? { waitMs: 20_000 } : {})
    const runs = [1, 2, 3, 4].map(async (n) => outcomes.push(await run(n).then(({ status }) => status, (error: unknown) => (isCairnError(error) ? error.code : error))))
    await until('one speaks and those who do not wait are refused', () => calls === 1 && outcomes.length >= 2)
    expect(new Set(outcomes)).toEqual(new Set(['DEBATE_BUSY']))
    expect((await cairn.debates.get('contested')).running).toBe(true)
    go()
    await Promise.all(runs)
    expect(outcomes.filter((outcome) => outcome === 'completed').length).toBeGreaterThanOrEqual(1)
    expect((await cairn.debates.get('contested')).status).toBe('completed')
    expect(calls).toBe(2)
  })

  it('a process that was silent for too long can record nothing any more', async () => {
    const { id } = await cairn.debates.create({ ...PAIR, key: 'taken', configuration: { rounds: 1 } })
    let go = (): void => undefined
    const gate = new Promise<void>((resolve) => (go = resolve))
    const calls: string[] = []
    const speak = (who: string, wait: Promise<void>): DebateSpeak => async ({ callKey, uncertain }) => {
      calls.push(`${who} ${callKey.slice(-5)} ${uncertain}`)
      await wait
      return `by ${who}`
    }
    const frozen = refusal(cairn.debates.run('taken', { ann: speak('frozen', gate), bob: speak('frozen', gate) }, { leaseMs: 600_000 }))
    await until('it speaks', () => calls.length === 1)
    await cairn.engines.sql.query(MAINTENANCE, `UPDATE debates.debates SET lease_until = clock_timestamp() WHERE debate_id = $1`, [id])
    expect(await cairn.debates.run('taken', { ann: speak('other', Promise.resolve()), bob: speak('other', Promise.resolve()) })).toMatchObject({ status: 'completed', totalArguments: 2 })
    go()
    // It has ended, so there is nothing to complain of.
    expect(await frozen).toBe('no error')
    expect((await everything('taken')).map(({ content }) => content)).toEqual(['by other', 'by other'])
    expect(calls).toEqual(['frozen r1:t1 false', 'other r1:t1 true', 'other r1:t2 false'])
  })

  it('pauses between turns, resumes, is stopped by its signal, and is cancelled amid a call', async () => {
    await cairn.debates.create({ ...PAIR, key: 'steered', configuration: { rounds: 3, timeBudgetMs: 3_600_000 } })
    const pausing: DebateSpeak = async (context) => {
      if (context.round === 1) await cairn.debates.pause('steered')
      return says()(context)
    }
    const paused = await cairn.debates.run('steered', { ann: pausing, bob: says() }, { whenWaiting: 'return' })
    expect(paused).toMatchObject({ status: 'active', totalArguments: 1, running: false })
    expect(paused.pausedAt).not.toBeNull()
    const waiting = cairn.debates.run('steered', { ann: says(), bob: ({ round, signal }) => (round < 2 ? 'well' : new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))) }, FAST)
    expect((await cairn.debates.resume('steered')).pausedAt).toBeNull()
    await until('bob is called in round 2', async () => (await cairn.debates.get('steered')).totalArguments === 3)
    const cancelled = await cairn.debates.cancel('steered', { reason: 'enough' })
    expect(cancelled).toMatchObject({ status: 'cancelled', conclusion: 'enough', running: false })
    expect(await waiting).toMatchObject({ status: 'cancelled', totalArguments: 3 })
    for (const change of ['pause', 'resume', 'cancel'] as const) expect(await refusal(cairn.debates[change]('steered')), change).toBe('INVALID_TRANSITION')
    await cairn.debates.create({ ...PAIR, key: 'stopped' })
    const stop = new AbortController()
    const stopped = cairn.debates.run('stopped', { ann: says() }, { ...FAST, signal: stop.signal }).catch((error: unknown) => error)
    await until('bob is awaited', async () => (await cairn.debates.get('stopped')).awaited.length === 1)
    stop.abort(new Error('stop'))
    expect(String(await stopped)).toBe('Error: stop')
    expect(await cairn.debates.get('stopped')).toMatchObject({ status: 'active', running: false, totalArguments: 1, orchestrationFailures: 0 })
  })

  it('tells what happens as events, in their order', async () => {
    const { id } = await cairn.debates.create({ ...PAIR, key: 'told', configuration: { rounds: 1 } })
    await cairn.debates.run('told', { ann: says(), bob: says() })
    const types: unknown[] = []
    for await (const event of cairn.events.tail({ stream: 'EVENTS', filter: `events.debates.${id}`, from: 'all', signal: AbortSignal.timeout(20_000) })) {
      const { type } = event.payload as { type: string }
      types.push(type)
      if (type === 'completed') break
    }
    expect(types).toEqual(['created', 'started', 'argument', 'argument', 'round_ended', 'voting', 'completed'])
  })

  it('in a free debate that fails, those who spoke at the same time are heard', async () => {
    await cairn.debates.create({ ...PAIR, key: 'free and strict', mode: 'free', configuration: { rounds: 1, attempts: 1, onFailure: 'fail' } })
    let failed = (): void => undefined
    const gate = new Promise<void>((resolve) => (failed = resolve))
    const broken = (): never => {
      setTimeout(failed, 50)
      throw new Error('no')
    }
    const slow: DebateSpeak = async (context) => gate.then(() => says()(context))
    expect(await cairn.debates.run('free and strict', { ann: broken, bob: slow })).toMatchObject({ status: 'failed', totalArguments: 1 })
    await cairn.debates.resume('free and strict')
    const twice: DebateSpeak = () => {
      throw new Error('bob was heard')
    }
    expect(await cairn.debates.run('free and strict', { ann: says(), bob: twice })).toMatchObject({ status: 'completed', totalArguments: 2, orchestrationFailures: 1 })
  })

  // proves S0-4-02
  it('lists by status, mode, agent and algorithm, in pages, and counts by mode and agent', async () => {
    const stats = cairn.as({ tenant: 'counted' })
    const agent = await stats.agents.register({ name: 'winner', type: 'analyst' })
    for (let n = 0; n < 5; n++) {
      const { id } = await stats.debates.create({ topic: `t${n}`, mode: n < 3 ? 'structured' : 'free', configuration: { rounds: 1 }, ...(n === 0 ? { algorithmId: 'zstd', compressionRequestIds: ['r1', 'r2', 'r1'] } : {}), participants: [{ agent: 'winner', position: 'a', weight: n === 1 ? 1 : 2 }, { name: 'other', position: 'b' }] })
      if (n < 4) await stats.debates.run(id, { winner: says(), other: says() })
    }
    const keys = async (filter: Parameters<typeof stats.debates.list>[0]) => (await stats.debates.list(filter)).items.map(({ topic }) => topic)
    expect(await keys({})).toEqual(['t4', 't3', 't2', 't1', 't0'])
    expect(await keys({ status: 'initialized' })).toEqual(['t4'])
    expect(await keys({ mode: 'free' })).toEqual(['t4', 't3'])
    expect(await keys({ algorithmId: 'zstd' })).toEqual(['t0'])
    expect(await keys({ agent: 'winner', limit: 2 })).toEqual(['t4', 't3'])
    const first = await stats.debates.list({ limit: 3 })
    expect((await stats.debates.list({ limit: 3, cursor: first.nextCursor! })).items.map(({ topic }) => topic)).toEqual(['t1', 't0'])
    const [oldest] = (await stats.debates.list({ algorithmId: 'zstd' })).items
    expect((await stats.debates.get(oldest!.id)).compressionRequestIds).toEqual(['r1', 'r2'])
    const pages = await stats.debates.arguments(oldest!.id, { limit: 1 })
    expect((await stats.debates.arguments(oldest!.id, { limit: 1, cursor: pages.nextCursor! })).items).toMatchObject([{ participant: 'other' }])
    expect((await stats.debates.arguments(oldest!.id, { participant: 'winner', round: 1 })).items).toHaveLength(1)
    const { modes, agents } = await stats.debates.statistics()
    expect(modes).toMatchObject([{ mode: 'structured', debates: 3, completed: 3, decided: 2, averageArguments: 2 }, { mode: 'free', debates: 2, completed: 1, decided: 1 }])
    expect(modes[0]!.averageConsensus).toBeCloseTo((5 / 9 + 5 / 9 + 0.5) / 3, 9)
    expect(agents).toEqual([{ agentId: agent.id, debates: 4, wins: 3, undecided: 1, winRate: 1, arguments: 4 }])
  })

  it('keeps each debate to its tenant, through every method', async () => {
    const { id } = await cairn.debates.create({ ...PAIR, key: 'secret' })
    await cairn.debates.run('secret', { ann: says() }, { whenWaiting: 'return' })
    const { debates } = root.as({ tenant: 'stranger' })
    for (const name of [id, 'secret']) {
      const tries: Record<string, () => Promise<unknown>> = {
        get: () => debates.get(name), arguments: () => debates.arguments(name), rounds: () => debates.rounds(name), votes: () => debates.votes(name), run: () => debates.run(name),
        submit: () => debates.submit(name, { participant: 'bob', content: 'x' }), vote: () => debates.vote(name, { participant: 'bob', position: 'x' }),
        pause: () => debates.pause(name), resume: () => debates.resume(name), cancel: () => debates.cancel(name),
      }
      for (const [method, attempt] of Object.entries(tries)) expect(await refusal(attempt()), method).toBe('NOT_FOUND')
    }
    expect(await debates.list()).toEqual({ items: [], nextCursor: null })
    expect(await debates.statistics()).toEqual({ modes: [], agents: [] })
    expect(await debates.create({ ...PAIR, key: 'secret' })).toMatchObject({ key: 'secret' })
    const agent = await cairn.agents.register({ name: uniqueName('agent'), type: 'analyst' })
    expect(await refusal(debates.create({ topic: 'x', participants: [{ name: 'a', agent: agent.id }, { name: 'b' }] }))).toBe('AGENT_NOT_FOUND')
    expect(await cairn.debates.get('secret')).toMatchObject({ id, status: 'active', totalArguments: 1 })
  })

  it('refuses what cannot be, by field, and stores nothing of it', async () => {
    const two = PAIR.participants
    const cases: [Partial<Record<keyof NewDebate, unknown>>, string][] = [
      [{ topic: '' }, 'topic'], [{ topic: 'x\0' }, 'topic'], [{ mode: 'brawl' }, 'mode'], [{ participants: [] }, 'participants'], [{ participants: [{ name: 'a' }, { name: 'a' }] }, 'participants.1.name'], [{ participants: [{ name: 'a' }, {}] }, 'participants.1.name'],
      [{ participants: [{ name: 'a', weight: 0 }, { name: 'b' }] }, 'participants.0.weight'], [{ participants: [{ name: 'a', weight: Number.NaN }, { name: 'b' }] }, 'participants.0.weight'], [{ participants: [{ name: 'a', position: 'x'.repeat(101) }, { name: 'b' }] }, 'participants.0.position'],
      [{ configuration: { rounds: 0 } }, 'configuration.rounds'], [{ configuration: { stopAtConsensus: 7.5 } }, 'configuration.stopAtConsensus'], [{ configuration: { nonsense: 1 } }, 'configuration.nonsense'], [{ key: '019a0c5e-7d2b-7cc3-98c4-dc0c0c07398f' }, 'key'], [{ nonsense: 1 } as never, 'nonsense'],
    ]
    for (const [wrong, field] of cases) expect(await refusal(cairn.debates.create({ topic: 'bad', participants: two, ...wrong } as NewDebate)), JSON.stringify(wrong)).toBe(`INVALID_ARGUMENT ${field}`)
    await cairn.debates.create({ ...PAIR, key: 'good' })
    expect(await refusal(cairn.debates.create({ ...PAIR, key: 'good' }))).toBe('DUPLICATE_KEY')
    expect(await refusal(cairn.debates.run('good', { eve: says() }))).toBe('INVALID_ARGUMENT participants.eve')
    expect(await refusal(cairn.debates.run('good', { ann: 1 as never }))).toMatch(/^INVALID_ARGUMENT participants.ann/)
    expect(await refusal(cairn.debates.run('good', {}, { leaseMs: 1 }))).toBe('INVALID_ARGUMENT leaseMs')
    await cairn.debates.run('good', { ann: says() }, { whenWaiting: 'return' })
    const submissions: [Record<string, unknown>, string][] = [
      [{}, 'INVALID_ARGUMENT content'], [{ content: 'x', pass: true }, 'INVALID_ARGUMENT content'], [{ content: 'x', confidence: 2 }, 'INVALID_ARGUMENT confidence'], [{ content: 'x\0' }, 'INVALID_ARGUMENT content'],
      [{ content: 'x', evidence: ['x'.repeat(300_000)] }, 'PAYLOAD_TOO_LARGE evidence'], [{ content: 'x', evidence: ['\0'] }, 'SERIALIZATION_ERROR evidence'], [{ content: 'x', replyTo: 'no id' }, 'INVALID_ARGUMENT replyTo'], [{ content: 'x'.repeat(262_145) }, 'INVALID_ARGUMENT content'],
    ]
    for (const [wrong, expected] of submissions) expect(await refusal(cairn.debates.submit('good', { participant: 'bob', ...wrong })), expected).toBe(expected)
    expect(await refusal(cairn.debates.vote('good', { participant: 'bob' }))).toBe('INVALID_ARGUMENT position')
    expect(await refusal(cairn.debates.vote('good', { participant: 'bob', position: 'x' }))).toBe('TURN_NOT_OPEN')
    expect(await refusal(cairn.debates.list({ cursor: 'x' }))).toBe('INVALID_CURSOR')
    expect(await cairn.debates.get('good')).toMatchObject({ totalArguments: 1, awaited: [{ participant: 'bob' }] })
  })

  // proves S0-4-07
  it('has the indexes', async () => {
    const { rows } = await cairn.engines.sql.query<{ index: string }>({ role: 'owner' }, `SELECT indexdef AS index FROM pg_indexes WHERE schemaname = 'debates' AND tablename = 'debates'`)
    const columns = rows.map(({ index }) => /\((.*?)\)(?: WITH| WHERE|$)/.exec(index)?.[1])
    for (const wanted of ['status', 'debate_mode', 'created_at DESC, debate_id DESC', 'algorithm_id', 'consensus_score DESC']) expect(columns).toContain(`tenant_id, ${wanted}`)
  })

  // proves D0-15
  it('the database itself refuses what no program should write', async () => {
    const { id } = await cairn.debates.create({ ...PAIR, key: 'kept' })
    const set = (assignment: string) => refusal(cairn.engines.sql.query(cairn.identity, `UPDATE debates.debates SET ${assignment} WHERE debate_id = $1`, [id]))
    expect(await set('consensus_score = 7.5')).toBe('CONSTRAINT_VIOLATION')
    expect(await set(`status = 'completed', started_at = now(), completed_at = now()`)).toBe('CONSTRAINT_VIOLATION')
    expect(await set(`status = 'bogus'`)).not.toBe('no error')
  })
})

describe('debates and closing', () => {
  it('a run ends with CLOSED when its Cairn is closed, and another process goes on at once', async () => {
    const [, servers] = cairnTargets as [(typeof cairnTargets)[number], (typeof cairnTargets)[number]]
    const { cairn, place, dispose } = await openCairn(servers)
    try {
      const other = await open({ ...place.options, migrate: 'check' })
      await cairn.debates.create({ ...PAIR, key: 'handed over', configuration: { rounds: 1 } })
      const aborted = Promise.withResolvers<unknown>()
      const called = Promise.withResolvers<void>()
      const hanging: DebateSpeak = ({ signal }) => {
        signal.addEventListener('abort', () => aborted.resolve(signal.reason))
        called.resolve()
        return new Promise(() => undefined)
      }
      const run = refusal(other.debates.run('handed over', { ann: hanging }))
      await called.promise
      await other.close()
      expect(await run).toBe('CLOSED')
      expect(isCairnError(await aborted.promise, 'CLOSED')).toBe(true)
      expect(await cairn.debates.run('handed over', { ann: ({ uncertain }) => `uncertain: ${uncertain}`, bob: says() })).toMatchObject({ status: 'completed', orchestrationFailures: 0 })
      expect((await cairn.debates.arguments('handed over')).items[0]?.content).toBe('uncertain: true')
    } finally {
      await dispose()
    }
  })
})
