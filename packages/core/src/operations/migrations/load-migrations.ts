import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CairnError } from '../../errors/index.ts'
import type { Migration } from './migration.ts'
import { malformed, parseMigration } from './parse-migration.ts'
import { compareVersions } from './version.ts'

/** The migrations shipped with this package; src/ and dist/ have the same depth. */
export const MIGRATIONS_DIR = fileURLToPath(new URL('../../../migrations', import.meta.url))

/**
 * Reads and checks all migrations of a directory, oldest first. Files that do not end in `.sql` are left alone.
 *
 * Throws MIGRATION_INVALID, with file and line, when a file is malformed, when versions do not grow with the
 * file numbers, when a number, version or name stands twice, or when `depends_on` is not an earlier migration.
 *
 * @param dir default: the migrations of this package
 */
export async function loadMigrations(dir: string = MIGRATIONS_DIR): Promise<Migration[]> {
  let files: string[]
  try {
    files = (await readdir(dir)).filter((file) => file.endsWith('.sql')).sort()
  } catch (cause) {
    throw new CairnError('MIGRATION_INVALID', `The directory of migrations ${dir} cannot be read.`, { cause, details: { dir } })
  }
  const migrations = await Promise.all(files.map(async (file) => parseMigration(file, await readFile(join(dir, file), 'utf8'))))
  checkChain(migrations)
  return migrations
}

/** The checks that concern several files at once. */
export function checkChain(migrations: readonly Migration[]): void {
  const earlier = new Map<string, Migration>()
  const names = new Map<string, string>()
  let previous: Migration | undefined
  for (const migration of migrations) {
    const { file, version, name, dependsOn } = migration
    const twin = names.get(name)
    if (twin !== undefined) throw malformed(file, 1, `the name "${name}" is that of ${twin} already.`)
    if (previous !== undefined && previous.number === migration.number) {
      throw malformed(file, 1, `the number ${migration.number} is that of ${previous.file} already.`)
    }
    if (previous !== undefined && compareVersions(previous.version, version) >= 0) {
      throw malformed(file, 1, `version ${version} must be above ${previous.version}, the version of ${previous.file}.`)
    }
    if (dependsOn === null && previous !== undefined) {
      throw malformed(file, 1, `only the first migration may have "depends_on: -"; name the version that this one builds on, e.g. ${previous.version}.`)
    }
    const parent = dependsOn === null ? undefined : earlier.get(dependsOn)
    if (dependsOn !== null && parent === undefined) throw malformed(file, 1, `depends_on ${dependsOn} is not the version of an earlier migration.`)
    const within = parent?.environments ?? null
    if (within !== null && !(migration.environments?.every((environment) => within.includes(environment)) ?? false)) {
      throw malformed(file, 1, `it depends on ${parent?.file}, which runs only in ${within.join(', ')}; give it these environments too.`)
    }
    earlier.set(version, migration)
    names.set(name, file)
    previous = migration
  }
}
