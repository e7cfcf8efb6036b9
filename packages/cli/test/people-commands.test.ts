import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CliSandbox, type RunningCli } from './run-cli.ts'

let sandbox: CliSandbox
let server: RunningCli & { readonly url: string }
let dataDir: string
beforeAll(async () => {
  sandbox = await CliSandbox.make()
  dataDir = await sandbox.dataDir('data')
  server = await sandbox.start(['--data-dir', dataDir])
})
afterAll(async () => {
  await server.kill('SIGTERM')
  await sandbox.dispose()
})

const json = <T = Record<string, unknown>>(...args: string[]): Promise<T> => sandbox.json<T>([...args, '--server', server.url])
const run = (...args: string[]) => sandbox.run([...args, '--server', server.url])
const post = async (path: string, body: unknown): Promise<unknown> => (await fetch(`${server.url}/v1${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })).json()

test('personality: list, show, export, forget', async () => {
  await post('/personality', { user: 'ann', message: 'Could you explain falconry?' })
  expect(await json('personality', 'list')).toMatchObject({ items: [{ userId: 'ann', sampleSize: 1 }] })
  const shown = await run('personality', 'show', 'ann')
  expect(shown.stdout).toContain('falconry')
  expect(shown.stdout).toMatch(/responseLength +medium +default/)
  expect(JSON.parse((await run('personality', 'export', 'ann')).stdout)).toMatchObject({ formatVersion: 'cairn.personality/1', interactions: [{}] })
  expect((await run('personality', 'forget', 'ann')).code).toBe(2)
  expect(await json('personality', 'forget', 'ann', '--yes')).toMatchObject({ deleted: true, interactions: 1 })
}, 120_000)

test('collaboration: partnerships, requests, fuse', async () => {
  for (const name of ['scout', 'base']) await post('/agents', { name, type: 'analyst' })
  await post('/collaboration/partnerships', { key: 'pair', primaryAgent: 'scout', secondaryAgent: 'base', type: 'review' })
  await post('/collaboration/requests', { key: 'help', requestingAgent: 'scout', targets: ['base'], type: 'review' })
  expect((await run('collaboration', 'partnerships', '--agent', 'base')).stdout).toMatch(/pair +review .* 0\.5 +0\/0/)
  expect(await json('collaboration', 'requests', '--status', 'pending')).toMatchObject({ items: [{ key: 'help' }] })
  const file = join(dataDir, '..', 'insights.json')
  await writeFile(file, JSON.stringify([{ agent: 'scout', content: 'go left' }, { agent: 'base', content: 'Go  left' }, { agent: 'x', content: 'go right' }]))
  expect(await json('collaboration', 'fuse', file, '--method', 'majority', '--request', 'help', '--key', 'way')).toMatchObject({ key: 'way', position: 'Go  left', consensusLevel: 0.6667 })
}, 120_000)
