import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT } from './generated-file.ts'
import { generateAll } from './generators.ts'
import { checkProofs, checkReadme, checkSources } from './verify-sources.ts'

const problems: string[] = []
for (const { path, content } of await generateAll()) {
  const committed = await readFile(join(ROOT, path), 'utf8').catch(() => undefined)
  if (committed === undefined) problems.push(`${path} is missing. Run \`npm run generate\` and commit it.`)
  else if (committed !== content) problems.push(`${path} is not what its sources give. ${firstDifference(committed, content)} Run \`npm run generate\` and commit it.`)
}
problems.push(...(await checkSources()), ...(await checkReadme()), ...(await checkProofs()))

for (const problem of problems) console.error(problem)
console.log(problems.length === 0 ? 'verify: all files are as they should be' : `verify: ${problems.length} problem${problems.length === 1 ? '' : 's'}`)
process.exitCode = problems.length === 0 ? 0 : 1

function firstDifference(committed: string, made: string): string {
  const [left, right] = [committed.split('\n'), made.split('\n')]
  const at = left.findIndex((line, index) => line !== right[index])
  const line = at < 0 ? left.length : at
  return `Line ${line + 1} is ${JSON.stringify(left[line] ?? '')}, should be ${JSON.stringify(right[line] ?? '')}.`
}
