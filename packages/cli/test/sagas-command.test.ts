import { afterAll, beforeAll, expect, test } from 'vitest'
import { CairnError, open } from '@cairn/core'
import { CliSandbox, type RunningCli } from './run-cli.ts'

let sandbox: CliSandbox
let server: RunningCli & { readonly url: string }
beforeAll(async () => {
  sandbox = await CliSandbox.make()
  const dataDir = await sandbox.dataDir('sagas')
  const cairn = await open({ dataDir })
  const refuse = (): never => {
    throw new CairnError('INVALID_ARGUMENT', 'refused')
  }
  cairn.sagas.define('order', [{ name: 'charge', run: () => 1, compensate: refuse }, { name: 'ship', run: refuse }])
  for (const id of ['one', 'two']) {
    await cairn.sagas.start('order', {}, { id })
    await cairn.sagas.wait(id)
  }
  await cairn.close()
  server = await sandbox.start(['--data-dir', dataDir])
}, 60_000)
afterAll(() => sandbox?.dispose())

const run = (...args: string[]) => sandbox.run([...args, '--server', server.url])
const json = <T = Record<string, unknown>>(...args: string[]): Promise<T> => sandbox.json<T>([...args, '--server', server.url])

test('sagas: list, show, retry, skip and resolve what waits for an operator', { timeout: 120_000 }, async () => {
  expect((await json<{ items: unknown[] }>('sagas', 'list', '--status', 'manual_intervention')).items).toHaveLength(2)
  expect((await run('sagas', 'list', '--name', 'order')).stdout).toMatch(/two +order +manual_intervention +charge +COMPENSATION_FAILED/)
  expect((await run('sagas', 'show', 'one')).stdout).toMatch(/1 +charge +code +compensation_failed +1 +INVALID_ARGUMENT: refused/)
  expect((await run('sagas', 'retry', 'one')).stdout).toContain('Saga one goes on (compensating)')
  expect(await run('sagas', 'retry', 'one')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error \[INVALID_TRANSITION\]/) as string })
  expect((await run('sagas', 'resolve', 'two', '--outcome', 'compensated')).code).toBe(2)
  expect(await json('sagas', 'resolve', 'two', '--outcome', 'compensated', '--note', 'by hand', '--yes')).toMatchObject({ status: 'compensated', resolvedBy: 'system:cli', resolutionNote: 'by hand' })
  expect(await run('sagas', 'show', 'never')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error \[NOT_FOUND\]/) as string })
})
