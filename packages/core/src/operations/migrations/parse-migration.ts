import { createHash } from 'node:crypto'
import { CairnError } from '../../errors/index.ts'
import { type Migration, MIGRATION_TYPES, type MigrationScript, type MigrationType } from './migration.ts'
import { splitStatements } from './sql-statements.ts'
import { isVersion } from './version.ts'

const FILE_NAME = /^(\d{6})_([a-z0-9]+(?:_[a-z0-9]+)*)\.sql$/
const REQUIRED_KEYS = ['version', 'name', 'description', 'type', 'depends_on'] as const
const KEYS: readonly string[] = [...REQUIRED_KEYS, 'breaking', 'transactional', 'environment']
const TRANSACTION_CONTROL = /^(BEGIN|START TRANSACTION|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|PREPARE TRANSACTION)\b/
const OUTSIDE_TRANSACTION = /^(CREATE (UNIQUE )?INDEX CONCURRENTLY|DROP INDEX CONCURRENTLY|REINDEX\b.*\bCONCURRENTLY|VACUUM|CREATE DATABASE|DROP DATABASE|ALTER SYSTEM)\b/

export function malformed(file: string, line: number, problem: string): CairnError {
  return new CairnError('MIGRATION_INVALID', `${file}:${line}: ${problem}`, { details: { file, line } })
}

/**
 * Reads one migration file.
 *
 * Form: header lines `--! key: value`, then `--! up` and its SQL, then, unless the migration cannot be
 * rolled back, `--! down` and its SQL. Keys: version, name (as in the file name), description, type
 * (schema, data, index, partition, function), depends_on (a version, or `-`), breaking (false),
 * transactional (true), environment (a list; all).
 *
 * Throws MIGRATION_INVALID with file and line.
 */
export function parseMigration(file: string, content: string): Migration {
  const fileName = FILE_NAME.exec(file)
  if (fileName === null) throw malformed(file, 1, 'a migration file is named NNNNNN_lower_case_name.sql, e.g. 000007_add_tags.sql.')
  const text = content.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n')
  const { header, up, down } = cut(file, text)

  const lineOf = (key: string) => header.get(key)?.line ?? 1
  const value = (key: string) => header.get(key)?.value
  for (const key of REQUIRED_KEYS) {
    if (!value(key)) throw malformed(file, lineOf(key), `the header lacks a value for "${key}". Write "--! ${key}: …" above "--! up".`)
  }
  const version = value('version') ?? ''
  if (!isVersion(version)) throw malformed(file, lineOf('version'), `version "${version}" is not of the form 1.2.3 or 1.2.3-word.`)
  const dependsOn = value('depends_on') ?? ''
  if (dependsOn !== '-' && !isVersion(dependsOn)) {
    throw malformed(file, lineOf('depends_on'), `depends_on "${dependsOn}" is neither a version nor "-".`)
  }
  const type = value('type') as MigrationType
  if (!MIGRATION_TYPES.includes(type)) throw malformed(file, lineOf('type'), `type "${type}" is none of ${MIGRATION_TYPES.join(', ')}.`)
  const name = value('name') ?? ''
  if (name !== fileName[2]) throw malformed(file, lineOf('name'), `name "${name}" differs from the file's name "${fileName[2]}".`)

  const flag = (key: string, fallback: boolean) => {
    const given = value(key) ?? String(fallback)
    if (given !== 'true' && given !== 'false') throw malformed(file, lineOf(key), `${key} is "${given}"; write true or false.`)
    return given === 'true'
  }
  const transactional = flag('transactional', true)
  if (up === null) throw malformed(file, 1, 'there is no "--! up" section.')
  checkScript(file, 'up', up, transactional)
  if (down !== null) checkScript(file, 'down', down, transactional)

  return {
    number: Number(fileName[1]),
    file,
    version,
    name,
    description: value('description') ?? '',
    type,
    dependsOn: dependsOn === '-' ? null : dependsOn,
    breaking: flag('breaking', false),
    transactional,
    environments: value('environment')?.split(',').map((environment) => environment.trim()) ?? null,
    checksum: createHash('sha256').update(text, 'utf8').digest('hex'),
    up,
    down,
  }
}

interface Cut {
  readonly header: Map<string, { value: string; line: number }>
  readonly up: MigrationScript | null
  readonly down: MigrationScript | null
}

function cut(file: string, text: string): Cut {
  const header = new Map<string, { value: string; line: number }>()
  const sections = new Map<string, { line: number; lines: string[] }>()
  let current: string[] | undefined
  for (const [index, content] of text.split('\n').entries()) {
    const line = index + 1
    const marker = /^--!\s*(.*?)\s*$/.exec(content)?.[1]
    if (marker === 'up' || marker === 'down') {
      if (sections.has(marker)) throw malformed(file, line, `a second "--! ${marker}" section.`)
      if (marker === 'down' && !sections.has('up')) throw malformed(file, line, '"--! down" stands before "--! up".')
      current = []
      sections.set(marker, { line: line + 1, lines: current })
    } else if (marker !== undefined) {
      const [, key, value] = /^([a-z_]+)\s*:\s*(.*)$/.exec(marker) ?? []
      if (key === undefined || !KEYS.includes(key)) {
        throw malformed(file, line, `"--! ${marker}" is not known. Keys: ${KEYS.join(', ')}; sections: up, down.`)
      }
      if (current !== undefined) throw malformed(file, line, `the header line "--! ${key}" stands below a section; put it above "--! up".`)
      if (header.has(key)) throw malformed(file, line, `the header has "${key}" twice.`)
      header.set(key, { value: value ?? '', line })
    } else if (current !== undefined) {
      current.push(content)
    } else if (content.trim() !== '' && !content.startsWith('--')) {
      throw malformed(file, line, 'SQL above "--! up".')
    }
  }
  const script = (name: string): MigrationScript | null => {
    const section = sections.get(name)
    return section === undefined ? null : { sql: section.lines.join('\n').trimEnd(), line: section.line }
  }
  return { header, up: script('up'), down: script('down') }
}

function checkScript(file: string, section: 'up' | 'down', script: MigrationScript, transactional: boolean): void {
  const statements = splitStatements(script.sql)
  if (statements.length === 0) {
    const remedy = section === 'down' ? ' Leave the section out if the migration cannot be rolled back.' : ''
    throw malformed(file, script.line, `the section "--! ${section}" holds no statement.${remedy}`)
  }
  for (const { head, line } of statements) {
    const at = script.line + line - 1
    if (TRANSACTION_CONTROL.test(head)) throw malformed(file, at, `${head} is not allowed: the runner opens and ends the transaction.`)
    if (transactional && OUTSIDE_TRANSACTION.test(head)) {
      throw malformed(file, at, `${head} cannot run in a transaction. Put it into a migration of its own with "--! transactional: false".`)
    }
  }
}
