import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ROOT } from './generated-file.ts'
import { generateAll } from './generators.ts'

for (const { path, content } of await generateAll()) {
  const target = join(ROOT, path)
  const before = await readFile(target, 'utf8').catch(() => undefined)
  if (before !== content) {
    await mkdir(dirname(target), { recursive: true })
    await writeFile(target, content)
  }
  console.log(`${before === content ? 'same   ' : 'written'} ${path}`)
}
