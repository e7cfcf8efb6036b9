import { existsSync } from 'node:fs'
import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { NAMES_FILE, readNames } from './generate-requirements.ts'
import { ROOT } from './generated-file.ts'
import { readProofs } from './proofs.ts'

const SOURCES = ['packages/*/{src,test,bin,migrations}/**/*.{ts,sql}', '{scripts,bench,chaos,examples}/**/*.ts']
const MAX_LINES = 400
/** A longer file says in its first lines why it is one. */
const REASON = /^(?:\/\/|\/\*\*?|--|\s\*).*\b(?:one file|long file|over 400 lines)\b/im
/** Spelled apart so that this file does not find itself. */
const UNFINISHED = new RegExp(`\\b(?:${['TO', 'DO'].join('')}|${['FIX', 'ME'].join('')}|${['X', 'XX'].join('')})\\b`)
/** Prose; a comment that switches the checker off is a line of its own beginning with two slashes and an at sign. */
const COMMENT = /^\s*(?:\/\*\*|\*|\/\/ (?!@))/
const SUPPRESSED = new RegExp(`@ts-(?:${['ig', 'nore'].join('')}|nocheck)|\\bas ${['an', 'y'].join('')}\\b`)

/** Rules that a linter has no word for. */
export async function checkSources(): Promise<string[]> {
  const problems: string[] = []
  for await (const found of glob(SOURCES, { cwd: ROOT, exclude: (name) => name === 'node_modules' || name === 'dist' })) {
    const path = found.replaceAll('\\', '/')
    const lines = (await readFile(join(ROOT, path), 'utf8')).split('\n')
    if (!path.includes('/generated/') && lines.length > MAX_LINES + 1 && !REASON.test(lines.slice(0, 20).join('\n'))) {
      problems.push(`${path} has ${lines.length - 1} lines. Split it, or say in a comment at its top why it is one file (limit ${MAX_LINES}).`)
    }
    for (const [index, line] of lines.entries()) {
      if (UNFINISHED.test(line)) problems.push(`${path}:${index + 1}: unfinished work belongs into an issue: ${line.trim()}`)
      if (path.endsWith('.ts') && SUPPRESSED.test(line) && !COMMENT.test(line)) problems.push(`${path}:${index + 1}: the type checker is switched off here: ${line.trim()}`)
    }
  }
  return problems
}

/** The README may name only npm scripts and paths that exist. */
export async function checkReadme(): Promise<string[]> {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8').catch(() => undefined)
  if (readme === undefined) return ['README.md is missing.']
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
  const problems: string[] = []
  for (const [, name = ''] of readme.matchAll(/\bnpm run ([\w:-]+)/g)) {
    if (!(name in scripts)) problems.push(`README.md mentions \`npm run ${name}\`, which package.json does not have.`)
  }
  for (const [, path = ''] of readme.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)) {
    if (!existsSync(join(ROOT, path))) problems.push(`README.md links to ${path}, which does not exist.`)
  }
  return problems
}

/** A misspelt id would prove nothing. */
export async function checkProofs(): Promise<string[]> {
  const names = await readNames()
  const unknown = [...(await readProofs())].filter(([id]) => id.startsWith('S') && !names.has(id))
  return unknown.map(([id, paths]) => `${paths.join(', ')}: "proves ${id}", but ${NAMES_FILE} has no such id.`)
}
