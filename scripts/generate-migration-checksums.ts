import { loadMigrations } from '../packages/core/src/operations/migrations/index.ts'
import type { GeneratedFile } from './generated-file.ts'

/** The checksums of all migrations in one file, so that a change to a released one is seen in review. */
export async function generateMigrationChecksums(): Promise<GeneratedFile[]> {
  const migrations = await loadMigrations()
  const lines = migrations.map(({ checksum, version, file }) => `${checksum}  ${version}  ${file}\n`)
  return [{ path: 'packages/core/migrations/checksums.txt', content: lines.join('') }]
}
