import { afterAll, beforeAll, expect, test } from 'vitest'
import { open } from '@cairn/core'
import { CliSandbox, type RunningCli } from './run-cli.ts'

let sandbox: CliSandbox
let server: RunningCli & { readonly url: string }
let dataDir: string
beforeAll(async () => {
  sandbox = await CliSandbox.make()
  dataDir = await sandbox.dataDir('debates')
  const cairn = await open({ dataDir })
  const participants = [{ name: 'ann', position: 'tabs' }, { name: 'bob', position: 'spaces' }]
  for (const key of ['waits', 'votes']) {
    await cairn.debates.create({ key, topic: 'Tabs or spaces', participants, configuration: { rounds: 1 } })
    await cairn.debates.run(key, { ann: () => 'Tabs are shorter.' }, { whenWaiting: 'return' })
  }
  await cairn.debates.submit('votes', { participant: 'bob', content: 'no' })
  await cairn.debates.run('votes', { ann: () => 'never' }, { whenWaiting: 'return' })
  await cairn.models.register({ name: 'llama3.1:8b', key: 'small', capabilities: ['chat'] })
  await cairn.models.call('small', ({ usage }) => usage({ totalTokens: 7 }))
  await cairn.close()
  server = await sandbox.start(['--data-dir', dataDir])
})
afterAll(async () => {
  await server?.kill('SIGTERM')
  await sandbox?.dispose()
})

const run = (...args: string[]) => sandbox.run([...args, '--server', server.url])
const json = <T = Record<string, unknown>>(...args: string[]): Promise<T> => sandbox.json<T>([...args, '--server', server.url])

test('debates: list, show, submit, vote, pause, resume, cancel; models: list, show', { timeout: 120_000 }, async () => {
  expect((await json<{ items: unknown[] }>('debates', 'list', '--mode', 'structured')).items).toHaveLength(2)
  expect((await run('debates', 'list', '--status', 'active')).stdout).toMatch(/waits +Tabs or spaces +structured +active +1/)
  expect((await run('debates', 'show', 'waits')).stdout).toMatch(/awaited +bob \(argument, round 1\)[\s\S]*ann +speaker +tabs +1[\s\S]*1\.1 +ann +tabs +Tabs are shorter\./)
  expect(await json('debates', 'submit', 'waits', 'Spaces never move.', '--as', 'bob', '--confidence', '0.8', '--evidence', '[{"a":1}]')).toMatchObject({ argument: { participant: 'bob', position: 'spaces', confidence: 0.8, evidence: [{ a: 1 }] } })
  expect(await run('debates', 'submit', 'waits', 'More.', '--as', 'bob')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error \[TURN_NOT_OPEN\]/) as string })
  expect((await run('debates', 'submit', 'waits', 'x', '--as', 'bob', '--confidence', '2')).code).toBe(2)
  expect((await run('debates', 'submit', 'votes', 'convinced', '--as', 'bob', '--vote', '--position', 'tabs')).stdout).toContain('bob votes for tabs.')
  expect((await run('debates', 'pause', 'waits')).stdout).toContain('Debate waits is paused.')
  expect(await json('debates', 'resume', 'waits')).toMatchObject({ pausedAt: null })
  expect((await run('debates', 'cancel', 'waits')).code).toBe(2)
  expect(await json('debates', 'cancel', 'waits', '--yes', '--reason', 'enough')).toMatchObject({ status: 'cancelled', conclusion: 'enough' })
  expect((await run('models', 'list', '--capability', 'chat')).stdout).toMatch(/llama3\.1:8b +ollama +available +healthy +1 +100\.0 % +\d+ ms +7 +chat/)
  expect(await json('models', 'show', 'small')).toMatchObject({ name: 'llama3.1:8b', totalTokens: 7 })
  expect(await run('models', 'show', 'none')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error \[NOT_FOUND\]/) as string })
  // The same without a server, on the data itself.
  await server.kill('SIGTERM')
  expect(await sandbox.json(['debates', 'show', 'votes', '--data-dir', dataDir])).toMatchObject({ status: 'voting', votes: [{ position: 'tabs' }, { position: 'tabs', reason: 'convinced' }] })
})
