import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT } from './generated-file.ts'

const TESTS = ['packages/*/test/**/*.ts', 'chaos/**/*.ts']
const COMMENT = /^\s*\/\/ proves (.+)$/gm
const ID = /\b[SD]\d-\w+(?:[.-]\w+)*/g

/** Which test files prove which id, from the comments `proves <id>[, <id>…]`. */
export async function readProofs(): Promise<Map<string, string[]>> {
  const proofs = new Map<string, string[]>()
  const paths: string[] = []
  for await (const path of glob(TESTS, { cwd: ROOT, exclude: (name) => name === 'node_modules' })) paths.push(path.replaceAll('\\', '/'))
  for (const path of paths.sort()) {
    const text = await readFile(join(ROOT, path), 'utf8')
    const ids = new Set([...text.matchAll(COMMENT)].flatMap(([, list = '']) => list.match(ID) ?? []))
    for (const id of ids) proofs.set(id, [...(proofs.get(id) ?? []), path])
  }
  return proofs
}
