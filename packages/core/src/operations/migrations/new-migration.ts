import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { CairnError } from '../../errors/index.ts'
import { loadMigrations, MIGRATIONS_DIR } from './load-migrations.ts'
import { nextVersion } from './version.ts'

/**
 * Writes an empty migration with the next number and version and returns its path.
 *
 * Throws INVALID_ARGUMENT for a name other than lower-case words joined by `_`, MIGRATION_INVALID when the
 * directory's migrations are malformed.
 *
 * @param dir default: the migrations of this package
 */
export async function newMigration(dir: string = MIGRATIONS_DIR, name: string): Promise<string> {
  if (!/^[a-z0-9]+(_[a-z0-9]+)*$/.test(name) || name.length > 100) {
    throw new CairnError('INVALID_ARGUMENT', `name: "${name}" does not fit. Use up to 100 of a-z, 0-9 and single _ between words, e.g. add_tags.`, {
      details: { field: 'name' },
    })
  }
  const migrations = await loadMigrations(dir)
  const twin = migrations.find((migration) => migration.name === name)
  if (twin !== undefined) throw new CairnError('INVALID_ARGUMENT', `name: "${name}" is that of ${twin.file} already.`, { details: { field: 'name' } })
  const last = migrations.at(-1)
  const path = join(dir, `${String((last?.number ?? 0) + 1).padStart(6, '0')}_${name}.sql`)
  const file = await open(path, 'wx')
  try {
    await file.writeFile(template(name, nextVersion(last?.version), last?.version))
  } finally {
    await file.close()
  }
  return path
}

function template(name: string, version: string, dependsOn: string | undefined): string {
  return `--! version: ${version}
--! name: ${name}
--! description: ${name.replaceAll('_', ' ')}
--! type: schema
--! depends_on: ${dependsOn ?? '-'}
--! breaking: false

--! up
SELECT 1; -- replace: what this migration does, in one transaction

--! down
SELECT 1; -- replace: what undoes exactly that; delete the section if nothing can
`
}
