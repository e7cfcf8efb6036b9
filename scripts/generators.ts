import { generateDatabaseTypes } from './generate-database-types.ts'
import { generateErrorDocs } from './generate-error-docs.ts'
import { generateMigrationChecksums } from './generate-migration-checksums.ts'
import { generateRequirements } from './generate-requirements.ts'
import type { GeneratedFile } from './generated-file.ts'

/** Every file of the repository that is made from others. */
export async function generateAll(): Promise<GeneratedFile[]> {
  const groups = [await generateErrorDocs(), await generateMigrationChecksums(), await generateDatabaseTypes(), await generateRequirements()]
  return groups.flat()
}
