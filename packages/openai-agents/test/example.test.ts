import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, inject, it } from 'vitest'
import { MIGRATED_TEMPLATE, copyFolder } from '../../core/test/harness/templates.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

it('the command in the README runs the example, which remembers from one start to the next', async () => {
  const readme = await readFile(join(ROOT, 'packages/openai-agents/README.md'), 'utf8')
  const commands = [...readme.matchAll(/^npx node (.+)$/gm)].map(([, args = '']) => args.split(' '))
  expect(commands).toHaveLength(2)
  const dataDir = await mkdtemp(join(tmpdir(), 'cairn-example-'))
  // Making the database takes longer than all the rest.
  await copyFolder(join(inject('pgliteTemplate'), MIGRATED_TEMPLATE), join(dataDir, 'pg'))
  try {
    const outputs: string[] = []
    for (const args of commands) outputs.push((await promisify(execFile)(process.execPath, args, { cwd: ROOT, env: { ...process.env, CAIRN_DATA_DIR: dataDir } })).stdout)
    expect(outputs).toEqual(['You have said 1 thing so far.\n2 items are kept.\n', 'You have said 2 things so far.\n4 items are kept.\n'])
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
}, 180_000)
