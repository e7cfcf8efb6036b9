import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type GeneratedFile, ROOT } from './generated-file.ts'
import { readProofs } from './proofs.ts'

/** Id, name, domain; one a line. */
export const NAMES_FILE = 'docs/requirements-names.tsv'

/** docs/requirements.md: which test proves which requirement, from comments of the form `proves <id>[, <id>…]`. */
export async function generateRequirements(): Promise<GeneratedFile[]> {
  const names = await readNames()
  const proofs = await readProofs()
  const tests = (id: string) => [...(proofs.get(id) ?? [])].map((path) => `[${path.split('/').slice(-2).join('/')}](../${path})`).join('<br>')
  const proved = [...names].filter(([id]) => proofs.has(id))
  const rows = proved.map(([id, { name, domain }]) => `| ${id} | ${cell(name)} | ${cell(domain)} | ${tests(id)} |`)
  const faults = [...proofs.keys()].filter((id) => id.startsWith('D')).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  const content = `<!-- Made by \`npm run generate\` from the comments "proves <id>" in the tests. Do not edit. -->

# Requirements and the tests that prove them

${proved.length} of ${names.size} requirements have a test that tries to break them.

| id | name | domain | tests |
|---|---|---|---|
${rows.join('\n')}

## Known faults of the specification that are not repeated

${faults.length} have a test.

| id | tests |
|---|---|
${faults.map((id) => `| ${id} | ${tests(id)} |`).join('\n')}
`
  return [{ path: 'docs/requirements.md', content }]
}

export async function readNames(): Promise<Map<string, { name: string; domain: string }>> {
  const text = await readFile(join(ROOT, NAMES_FILE), 'utf8')
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
