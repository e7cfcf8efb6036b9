import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type GeneratedFile, ROOT } from './generated-file.ts'

const NAMES = 'docs/requirements-names.tsv'
const TESTS = ['packages/*/test/**/*.ts', 'chaos/**/*.ts']

/** docs/requirements.md: which test proves which requirement, from comments of the form `proves <id>[, <id>…]`. */
export async function generateRequirements(): Promise<GeneratedFile[]> {
  const names = await readNames()
  const proofs = new Map<string, Set<string>>()
  for (const path of await testFiles()) {
    const text = await readFile(join(ROOT, path), 'utf8')
    for (const [index, line] of text.split('\n').entries()) {
      const list = /^\s*\/\/ proves (.+?)\.?$/.exec(line)?.[1]
      for (const id of list?.split(/,\s*/) ?? []) {
        if (names.size > 0 && !names.has(id)) throw new Error(`${path}:${index + 1}: "${id}" is not an id of ${NAMES}.`)
        const files = proofs.get(id) ?? new Set()
        proofs.set(id, files.add(path))
      }
    }
  }
  const ids = [...(names.size > 0 ? names.keys() : [...proofs.keys()].sort())]
  const proved = ids.filter((id) => proofs.has(id))
  const rows = proved.map((id) => {
    const { name = '', domain = '' } = names.get(id) ?? {}
    const tests = [...(proofs.get(id) ?? [])].sort().map((path) => `[${path.split('/').slice(-2).join('/')}](../${path})`)
    return `| ${id} | ${cell(name)} | ${cell(domain)} | ${tests.join('<br>')} |`
  })
  const content = `<!-- Made by \`npm run generate\` from the comments "proves <id>" in the tests. Do not edit. -->

# Requirements and the tests that prove them

${proved.length} of ${ids.length} requirements have a test that tries to break them.

| id | name | domain | tests |
|---|---|---|---|
${rows.join('\n')}
`
  return [{ path: 'docs/requirements.md', content }]
}

async function testFiles(): Promise<string[]> {
  const found: string[] = []
  for await (const path of glob(TESTS, { cwd: ROOT, exclude: (name) => name.includes('node_modules') })) found.push(path.replaceAll('\\', '/'))
  return found.sort()
}

async function readNames(): Promise<Map<string, { name: string; domain: string }>> {
  const text = await readFile(join(ROOT, NAMES), 'utf8').catch(() => '')
  const rows = text.split('\n').filter((line) => line !== '')
  return new Map(
    rows.map((row) => {
      const [id = '', name = '', domain = ''] = row.split('\t')
      return [id, { name, domain }]
    }),
  )
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
