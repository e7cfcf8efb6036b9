import { afterAll, beforeAll, expect, test } from 'vitest'
import { open } from '@cairn/core'
import { CliSandbox, type RunningCli } from './run-cli.ts'

let sandbox: CliSandbox
let dataDir: string
beforeAll(async () => {
  sandbox = await CliSandbox.make()
  dataDir = await sandbox.dataDir('data')
  const cairn = await open({ dataDir })
  for (const namespace of ['default', 'graphs']) {
    const space = cairn.lineages.space({ namespace })
    for (let step = 1; step <= 5; step++) {
      await space.append({ thread: 'ticket/17', id: `00${step}`, ...(step === 1 ? {} : { parentId: `00${step - 1}` }), body: Buffer.from(`{"step":${step}}`), metadata: `{"step":${step}}`, versions: new Map(), changed: new Map() })
    }
    await space.append({ thread: 'other', path: 'inner', id: '001', body: Buffer.from('{}'), metadata: '{}', versions: new Map(), changed: new Map() })
    await space.appendWrites({ thread: 'ticket/17', id: '005', taskId: 't', writes: [{ index: 0, channel: 'a', type: 'json', bytes: Buffer.from('1') }] })
  }
  await cairn.close()
}, 120_000)
afterAll(() => sandbox.dispose())

async function tour(namespace: string, where: readonly string[]): Promise<void> {
  const flags = ['--namespace', namespace, ...where]
  const json = <T = Record<string, unknown>>(...args: string[]) => sandbox.json<T>(['lineages', ...args, ...flags])
  expect(await json('list', '--prefix', 'ticket')).toMatchObject({ items: [{ thread: 'ticket/17', paths: 1, checkpoints: 5 }], nextCursor: null })
  const first = await json<{ nextCursor: string }>('list', '--limit', '1')
  expect(await json('list', '--cursor', first.nextCursor)).toMatchObject({ items: [{ thread: 'ticket/17' }] })
  expect(await json('show', 'ticket/17', '--limit', '2', '--path=')).toMatchObject({ items: [{ id: '005', parentId: '004', tasks: 1, metadata: { step: 5 } }, { id: '004', tasks: 0 }] })
  expect(await json('copy', 'ticket/17', 'copy')).toEqual({ thread: 'copy' })
  expect((await sandbox.run(['lineages', 'copy', 'ticket/17', 'copy', ...flags])).stderr).toMatch(/^error \[DUPLICATE_KEY\]/)
  expect((await sandbox.run(['lineages', 'prune', 'copy', '--yes', ...flags])).code).toBe(2)
  expect((await sandbox.run(['lineages', 'prune', 'copy', '--keep-last', '1', ...flags])).stderr).toMatch(/pass --yes/)
  expect(await json('prune', 'copy', '--older-than', '1d', '--yes')).toEqual({ removed: 0, rewritten: 0 })
  expect(await json('prune', 'copy', '--keep-last', '2', '--yes')).toEqual({ removed: 3, rewritten: 1 })
  expect(await json('delete', 'copy', '--yes')).toEqual({ deleted: true })
  expect((await sandbox.run(['lineages', 'show', 'copy', ...flags])).stderr).toMatch(/^error \[NOT_FOUND\]/)
}

test('lineages: list, copy and prune on a data directory', async () => {
  // Each command opens the database anew, so only a few: the tour is the server's.
  const json = (...args: string[]) => sandbox.json(['lineages', ...args, '--namespace', 'default', '--data-dir', dataDir])
  expect(await json('list', '--prefix', 'ticket')).toMatchObject({ items: [{ thread: 'ticket/17', paths: 1, checkpoints: 5 }], nextCursor: null })
  expect(await json('copy', 'ticket/17', 'copy')).toEqual({ thread: 'copy' })
  expect(await json('prune', 'copy', '--keep-last', '2', '--yes')).toEqual({ removed: 3, rewritten: 1 })
}, 60_000)

test('lineages: list, show, copy, prune and delete through a running server', async () => {
  const server: RunningCli & { readonly url: string } = await sandbox.start(['--data-dir', dataDir])
  await tour('graphs', ['--server', server.url])
  await server.kill('SIGTERM')
}, 120_000)
